"""Runs the alerts: looks when one is raised, and each second for what is due again.

One call at a time for each target, some at a time in all. Owns when ``delivery/alerts`` is asked, nothing of what it
decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.delivery.alerts import Alerts
from xtramail.net.adapter import start
from xtramail.net.soon import Soon
from xtramail.store import keys
from xtramail.store.engine import Engine

AT_ONCE = 10
PAUSE = 5.0
"""Seconds without looks after the store could not read or write."""


class AlertService(Service):
    """``fault`` is told what went wrong with the work itself."""

    def __init__(
        self,
        reactor: Any,
        *,
        engine: Engine,
        alerts: Alerts,
        fault: Callable[[BaseException], None],
        interval: float = 1.0,
    ) -> None:
        self._reactor = reactor
        self._engine = engine
        self._alerts = alerts
        self._fault = fault
        self._interval = interval
        self._soon = Soon(reactor, self._look)
        self._loop = LoopingCall(self._soon.ask)
        self._loop.clock = reactor
        self._unwatch: Callable[[], None] | None = None
        self._addressing: Deferred[Any] | None = None
        self._under_way: dict[str, Deferred[Any]] = {}
        self._paused_until = 0.0

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._unwatch = self._engine.watch(keys.ALERTS, self._soon.ask)
        self._loop.start(self._interval)

    def stopService(self) -> None:
        """Calls under way are forgotten: they are made again at the next start, with the same id."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._unwatch is not None:
            self._unwatch()
        if self._loop.running:
            self._loop.stop()
        self._soon.stop()
        for work in [self._addressing, *self._under_way.values()]:
            if work is not None:
                work.cancel()

    def _look(self) -> None:
        if not self.running or self._reactor.seconds() < self._paused_until or self._addressing is not None:
            return
        addressing = start(self._alerts.address())
        self._addressing = addressing
        addressing.addCallback(lambda _: self._tell()).addErrback(self._failed).addBoth(self._addressed)

    def _addressed(self, _result: object) -> None:
        self._addressing = None

    def _tell(self) -> None:
        for due in self._alerts.due():
            if due.target not in self._under_way and len(self._under_way) < AT_ONCE and self.running:
                work = start(self._alerts.tell(due))
                self._under_way[due.target] = work
                work.addErrback(self._failed).addBoth(self._told, due.target)

    def _told(self, _result: object, target: str) -> None:
        self._under_way.pop(target, None)
        if self.running:
            self._soon.ask()

    def _failed(self, failure: Failure) -> None:
        if failure.value is not None and not isinstance(failure.value, CancelledError) and self.running:
            self._paused_until = self._reactor.seconds() + PAUSE
            self._fault(failure.value)
