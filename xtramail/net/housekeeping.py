"""What the server does by the clock: expiry each minute, the look for a stranger's commit four times a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.delivery.retention import RetentionJob
from xtramail.net.adapter import start
from xtramail.store.engine import Engine

POLL_SECONDS = 0.25
EXPIRY_SECONDS = 60.0


class Housekeeping(Service):
    """``fault`` is told when a round failed; the next one comes all the same."""

    def __init__(
        self, reactor: Any, *, engine: Engine, retention: RetentionJob, fault: Callable[[BaseException], None]
    ) -> None:
        self._engine = engine
        self._retention = retention
        self._fault = fault
        self._poll = LoopingCall(self._engine.poll)
        self._expiry = LoopingCall(self._expire)
        self._poll.clock = self._expiry.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._poll.start(POLL_SECONDS).addErrback(self._failed)
        self._expiry.start(EXPIRY_SECONDS).addErrback(self._failed)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        for loop in (self._poll, self._expiry):
            if loop.running:
                loop.stop()

    def _expire(self) -> Any:
        return start(self._retention.run()).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if failure.value is not None:
            self._fault(failure.value)
