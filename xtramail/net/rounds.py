"""Work of the inner layers that is done again and again: one round at a time, after each interval, or when asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.net.adapter import start
from xtramail.net.soon import Soon


class Rounds(Service):
    """``fault`` is told when a round failed; the next one comes with its interval all the same."""

    def __init__(
        self,
        reactor: Any,
        *,
        work: Callable[[], Coroutine[Any, Any, None]],
        every: float,
        fault: Callable[[BaseException], None],
    ) -> None:
        self._work = work
        self._every = every
        self._fault = fault
        self._round: Deferred[None] | None = None
        self._again = False
        self._soon = Soon(reactor, self._begin)
        self._loop = LoopingCall(self._begin)
        self._loop.clock = reactor

    def startService(self) -> None:
        """The first round begins at once."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(self._every)

    def stopService(self) -> None:
        """A round under way is given up at its next step, which is a commit."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        self._soon.stop()
        if self._round is not None:
            self._round.cancel()

    def ask(self) -> None:
        """One more round, as soon as none is under way; however often it is asked for until then."""
        if not self.running:
            return
        if self._round is not None:
            self._again = True
        else:
            self._soon.ask()

    def _begin(self) -> None:
        if self._round is not None:
            return
        self._again = False
        self._round = start(self._work())
        self._round.addErrback(self._failed).addBoth(self._ended)

    def _ended(self, _result: object) -> None:
        self._round = None
        if self._again and self.running:
            self._soon.ask()

    def _failed(self, failure: Failure) -> None:
        self._again = False
        if failure.value is not None and not isinstance(failure.value, CancelledError) and self.running:
            self._fault(failure.value)
