"""A result that is not there yet: the one awaitable of the inner layers.

Coroutines of ``delivery`` and ``mailbox`` await it without knowing a reactor. ``net`` drives them on Twisted
(``net/adapter.py``); tests and the command line drive them with :func:`drive`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_NOTHING: Any = object()


class Pending(Generic[T]):
    """Settled once, by one thread, with a value or an error; read in the thread that settles it.

    A writer thread must hand ``settle``/``fail`` over to the reader's thread (callFromThread) itself.
    """

    __slots__ = ("_callbacks", "_error", "_value")

    def __init__(self) -> None:
        self._value: T = _NOTHING
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Pending[T]], None]] = []

    @classmethod
    def of(cls, value: T) -> Pending[T]:
        """A Pending that has its value already."""
        pending = cls()
        pending._value = value
        return pending

    @classmethod
    def failed(cls, error: BaseException) -> Pending[T]:
        """A Pending that has failed already."""
        pending = cls()
        pending._error = error
        return pending

    @property
    def done(self) -> bool:
        return self._value is not _NOTHING or self._error is not None

    def result(self) -> T:
        """The value; raises the error; RuntimeError when not done."""
        if self._error is not None:
            raise self._error
        if self._value is _NOTHING:
            raise RuntimeError("pending result read too early")
        return self._value

    def settle(self, value: T) -> None:
        if self.done:
            raise RuntimeError("pending result settled twice")
        self._value = value
        self._run()

    def fail(self, error: BaseException) -> None:
        if self.done:
            raise RuntimeError("pending result settled twice")
        self._error = error
        self._run()

    def when_done(self, callback: Callable[[Pending[T]], None]) -> None:
        """Call ``callback(self)`` once done: at once when it already is."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _run(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def __await__(self) -> Generator[Pending[T], None, T]:
        if not self.done:
            yield self
        return self.result()


def _wake(ready: threading.Event, _settled: Pending[Any]) -> None:
    ready.set()


def drive(coroutine: Coroutine[Pending[Any], None, T], timeout: float = 600.0) -> T:
    """Run a coroutine of Pendings to its end in this thread; for tests and the command line.

    ``timeout`` in seconds bounds each wait. Only for Pendings that are settled by another thread, or at once.
    """
    try:
        while True:
            waited = coroutine.send(None)
            ready = threading.Event()
            waited.when_done(partial(_wake, ready))
            if not ready.wait(timeout):
                coroutine.close()
                raise TimeoutError("pending result was never settled")
    except StopIteration as stop:
        value: T = stop.value
        return value
