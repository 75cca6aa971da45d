"""Runs the coroutines of the inner layers on Twisted.

Owns the one bridge between ``Pending`` and ``Deferred``. Owns no sockets and no policy: a coroutine that never waits is
finished before :func:`start` returns, so hot paths stay synchronous.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from xtramail.model.pending import Pending

T = TypeVar("T")


def start(coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run ``coroutine`` as far as it goes now, and on whenever what it awaits is there.

    It may await a Pending or a Deferred. Cancelling the Deferred given back closes the coroutine where it waits (its
    ``finally`` blocks run) and fails with CancelledError; what it waited for goes on, but is no longer listened to.
    """
    finished: Deferred[T] = Deferred()
    run = _Run(coroutine, finished)
    finished._canceller = run.cancelled
    run.resume(None)
    return finished


def set_going(coroutine: Coroutine[Any, Any, object]) -> None:
    """As :func:`start`, for who does not ask what becomes of it: without a Deferred, 2 % of a STORE.

    An error that it does not catch itself is logged, as that of a Deferred which nobody looks at.
    """
    _Run(coroutine, None).resume(None)


def deferred(pending: Pending[T]) -> Deferred[T]:
    """The Deferred of one Pending; fired already when that is done."""
    result: Deferred[T] = Deferred()

    def settled(done: Pending[T]) -> None:
        if result.called:
            return
        try:
            value = done.result()
        except BaseException:
            result.errback()
        else:
            result.callback(value)

    pending.when_done(settled)
    return result


class _Run(Generic[T]):
    """One coroutine on its way."""

    __slots__ = ("_awaited", "_coroutine", "_ended", "_finished", "_running")

    def __init__(self, coroutine: Coroutine[Any, Any, T], finished: Deferred[T] | None) -> None:
        """``finished``: fired at its end."""
        self._coroutine = coroutine
        self._running = False
        self._ended = False
        self._awaited: object = None
        self._finished = finished

    def resume(self, error: BaseException | None) -> None:
        self._running = True
        try:
            awaited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration as stop:
            if self._end() and self._finished is not None:
                self._finished.callback(stop.value)
        except BaseException:
            if self._end():
                (self._finished or Deferred()).errback()
        else:
            self._running = False
            self._wait(awaited)

    def _wait(self, awaited: Any) -> None:
        if self._ended:
            # It cancelled its own run, then waited all the same.
            self._coroutine.close()
            return
        self._awaited = awaited
        if isinstance(awaited, Pending):
            awaited.when_done(lambda done: self._ready(done, None))
        else:
            awaited.addCallbacks(lambda _: self._ready(awaited, None), lambda f: self._ready(awaited, f.value))

    def _ready(self, awaited: object, error: BaseException | None) -> None:
        if self._awaited is awaited:
            self._awaited = None
            self.resume(error)

    def _end(self) -> bool:
        """Whether it was still going."""
        self._running = False
        was_going, self._ended = not self._ended, True
        return was_going

    def cancelled(self, finished: Deferred[T]) -> None:
        """Its Deferred's canceller."""
        self._awaited = None
        running = self._running
        self._end()
        if not running:
            self._coroutine.close()
        finished.errback(CancelledError())
