"""Runs the relay: looks at what is due each second, and at once when the queue changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.delivery.dispatch import Dispatch
from xtramail.delivery.relay import Attempt, Relay
from xtramail.net.adapter import start
from xtramail.net.smtp_client import SmtpCourier
from xtramail.store import keys
from xtramail.store.engine import Engine


class RelayService(Service):
    """``fault`` is told of attempts whose outcome could not be written; their leases run out."""

    def __init__(
        self,
        reactor: Any,
        *,
        engine: Engine,
        relay: Relay,
        dispatch: Dispatch,
        courier: SmtpCourier,
        fault: Callable[[int, BaseException], None],
        interval: float = 1.0,
    ) -> None:
        self._engine = engine
        self._relay = relay
        self._dispatch = dispatch
        self._courier = courier
        self._fault = fault
        self._interval = interval
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._unwatch: Callable[[], None] | None = None
        self._looking = False
        self._look_again = False
        self._attempts: dict[int, Deferred[Any]] = {}

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        start(self._dispatch.begin()).addErrback(self._failed, 0).addCallback(lambda _: self._begin())

    def _begin(self) -> None:
        if not self.running:
            return
        self._unwatch = self._engine.watch(keys.QUEUE, self._look)
        self._loop.start(self._interval)

    def stopService(self) -> Deferred[Any]:
        """Attempts under way are cut; each then writes what it came to, before this fires."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._unwatch is not None:
            self._unwatch()
        if self._loop.running:
            self._loop.stop()
        self._courier.close()
        return DeferredList(list(self._attempts.values()), consumeErrors=True)

    def _look(self) -> None:
        if self._looking:
            self._look_again = True
            return
        self._looking = True
        start(self._dispatch.take()).addCallbacks(self._start, self._failed, errbackArgs=(0,)).addBoth(self._looked)

    def _looked(self, _result: object) -> None:
        self._looking = False
        if self._look_again and self.running:
            self._look_again = False
            self._look()

    def _start(self, entry_ids: list[int]) -> None:
        for entry_id in entry_ids:
            attempt = start(self._attempt(entry_id))
            if not attempt.called:
                self._attempts[entry_id] = attempt
                attempt.addBoth(self._ended, entry_id)

    def _ended(self, _result: object, entry_id: int) -> None:
        self._attempts.pop(entry_id, None)

    async def _attempt(self, entry_id: int) -> None:
        attempt: Attempt | None = None
        try:
            attempt = await self._relay.deliver(entry_id)
        except Exception as error:
            self._fault(entry_id, error)
        try:
            await self._dispatch.done(entry_id, attempt)
        except Exception as error:
            self._fault(entry_id, error)
        if self.running:
            self._look()

    def _failed(self, failure: Failure, entry_id: int) -> None:
        if failure.value is not None:
            self._fault(entry_id, failure.value)
