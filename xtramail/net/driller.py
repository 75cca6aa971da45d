"""Comes again and again for drills and canaries: whatever is due is visited, each by itself, some at a time.

Owns when they are visited. What a visit does is ``delivery/drill``'s and ``delivery/round_trip``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.net.adapter import start

AT_ONCE = 10
"""Visits under way: a primary's IMAP that is slow must not hold up everybody's."""


class Visits(Protocol):
    def due(self) -> Sequence[Hashable]:
        """What is to be visited now."""

    def visit(self, due: Any) -> Coroutine[Any, Any, None]:
        """One step of it."""


class Driller(Service):
    """``fault`` is told what went wrong with the work itself."""

    def __init__(
        self, reactor: Any, *, visits: Visits, fault: Callable[[BaseException], None], interval: float = 1.0
    ) -> None:
        self._visits = visits
        self._fault = fault
        self._interval = interval
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._under_way: dict[Hashable, Deferred[None]] = {}

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(self._interval)

    def stopService(self) -> None:
        """What is under way is given up at its next step, and gone on with after the next start."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        for work in list(self._under_way.values()):
            work.cancel()

    def _look(self) -> None:
        # A loop that raises never comes again.
        try:
            for due in self._visits.due():
                if due not in self._under_way and len(self._under_way) < AT_ONCE:
                    self._begin(due)
        except Exception as error:
            self._fault(error)

    def _begin(self, due: Hashable) -> None:
        work = start(self._visits.visit(due))
        self._under_way[due] = work
        work.addErrback(self._failed).addBoth(self._ended, due)

    def _ended(self, _result: object, due: Hashable) -> None:
        self._under_way.pop(due, None)

    def _failed(self, failure: Failure) -> None:
        if failure.value is not None and not isinstance(failure.value, CancelledError) and self.running:
            self._fault(failure.value)
