"""What the server does by the clock: expiry each minute, and four times a second the look for a stranger's commit, and
whether somebody has set the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
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
        self._round: Deferred[Any] | None = None
        self._poll = LoopingCall(self._look)
        self._expiry = LoopingCall(self._expire)
        self._poll.clock = self._expiry.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._poll.start(POLL_SECONDS).addErrback(self._failed)
        self._expiry.start(EXPIRY_SECONDS).addErrback(self._failed)

    def stopService(self) -> None:
        """A round of expiry under way ends at its next step, which is a commit: it goes on at the next start."""
        super().stopService()  # type: ignore[no-untyped-call]
        for loop in (self._poll, self._expiry):
            if loop.running:
                loop.stop()
        if self._round is not None:
            self._round.cancel()

    def _look(self) -> None:
        # A loop that raises never comes again, and changes of the command line would be seen no more.
        try:
            self._engine.poll()
            if self._retention.jumped():
                start(self._retention.look()).addErrback(self._failed)
        except Exception as error:
            self._fault(error)

    def _expire(self) -> Deferred[Any]:
        self._round = start(self._retention.run())
        return self._round.addErrback(self._failed).addBoth(self._ended)

    def _ended(self, _result: object) -> None:
        self._round = None

    def _failed(self, failure: Failure) -> None:
        if failure.value is not None and not isinstance(failure.value, CancelledError):
            self._fault(failure.value)
