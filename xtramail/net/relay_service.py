"""Runs the relay: looks at what is due each second, and in the next turn of the reactor when the queue changes.

Owns when the queue is looked at and what becomes of attempts that the store could not write down. Which entries are
taken is ``delivery/dispatch``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.delivery.clock_doubt import doubt
from xtramail.delivery.dispatch import Dispatch
from xtramail.delivery.overdue import Risk, overdue
from xtramail.delivery.put_off import hurry_put_off
from xtramail.delivery.relay import Attempt, Relay
from xtramail.delivery.watch import Watch
from xtramail.model.clock import Clock
from xtramail.model.errors import Unavailable, XtramailError
from xtramail.net.adapter import start
from xtramail.store import keys
from xtramail.store.engine import Engine

STORE_PAUSE = 5.0
"""Seconds without new attempts after the store could not write, and between tries to write an outcome."""

LOOK_SHARE = 4.0
"""Pause between looks, in times of what the last one took."""

Work = Callable[[int], Coroutine[Any, Any, Attempt | None]]


class Outgoing(Protocol):
    """What attempts hand mail on by."""

    def close(self) -> None:
        """Cut what is under way, whatever it waits for."""


class RelayService(Service):
    """``fault`` is told of entries on which the work failed, and of the queue itself (0)."""

    def __init__(
        self,
        reactor: Any,
        *,
        engine: Engine,
        clock: Clock,
        relay: Relay,
        dispatch: Dispatch,
        outgoing: Outgoing,
        watch: Watch,
        fault: Callable[[int, BaseException], None],
        at_risk: Callable[[Risk], None],
        interval: float = 1.0,
        overdue_interval: float = 30.0,
    ) -> None:
        self._reactor = reactor
        self._engine = engine
        self._clock = clock
        self._relay = relay
        self._dispatch = dispatch
        self._outgoing = outgoing
        self._watch = watch
        self._fault = fault
        self._at_risk = at_risk
        self._interval = interval
        self._overdue = LoopingCall(self._look_overdue)
        self._overdue.clock = reactor
        self._overdue_interval = overdue_interval
        self._finishing: set[str] = set()
        self._loop = LoopingCall(self._hint)
        self._loop.clock = reactor
        self._unwatch: Callable[[], None] | None = None
        self._next: Any = None
        self._look_took = 0.0
        self._paused_until = 0.0
        self._attempts: dict[int, Deferred[Any]] = {}
        self._pauses: dict[int, tuple[Any, Deferred[None]]] = {}

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        start(self._begin()).addErrback(self._failed)

    async def _begin(self) -> None:
        while self.running:
            try:
                await self._dispatch.begin()
                break
            except XtramailError as error:
                # Unwritten, the leases of the run before would keep their mail for an hour.
                self._fault(0, error)
                await self._pause(0)
        if not self.running:
            return
        self._unwatch = self._engine.watch(keys.QUEUE, self._hint)
        self._loop.start(self._interval)
        self._overdue.start(self._overdue_interval)

    def stopService(self) -> Deferred[Any]:
        """Attempts under way are cut, but for answers to what is out; each writes what it came to before this fires."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._unwatch is not None:
            self._unwatch()
        for loop in (self._loop, self._overdue):
            if loop.running:
                loop.stop()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._outgoing.close()
        for timer, pause in list(self._pauses.values()):
            timer.cancel()
            pause.callback(None)
        return DeferredList(list(self._attempts.values()), consumeErrors=True)

    def _hint(self) -> None:
        """Something may be due. However many hints come in one turn, and from wherever, there is one look after it.

        A look costs a seek for each destination with mail: with thousands of them, looks must not be all we do.
        """
        if self._next is None and self.running:
            self._next = self._reactor.callLater(LOOK_SHARE * self._look_took, self._look)

    def _look(self) -> None:
        self._next = None
        if self._reactor.seconds() < self._paused_until:
            return
        began = self._reactor.seconds()
        try:
            taken = self._dispatch.take()
        except Exception as error:
            self._paused_until = self._reactor.seconds() + STORE_PAUSE
            self._fault(0, error)
            return
        self._look_took = self._reactor.seconds() - began
        for entry_id in taken.start:
            self._start(entry_id, self._relay.deliver)
        for destination in taken.drained:
            if destination not in self._finishing:
                self._finishing.add(destination)
                ended = start(self._watch.drained(destination)).addErrback(self._failed)
                ended.addBoth(self._finished, destination)

    def _finished(self, _result: object, destination: str) -> None:
        self._finishing.discard(destination)

    def _look_overdue(self) -> None:
        now, timetable = self._clock.now(), self._relay.settings.timetable
        start(hurry_put_off(self._engine, timetable, now)).addErrback(self._failed)
        # A loop that raises never comes again.
        try:
            found = self._engine.read(keys.QUEUE, lambda snap: overdue(snap, now))
            doubted = bool(found.expired and doubt(self._engine, self._clock, self._relay.settings.owner))
        except Exception as error:
            self._fault(0, error)
            return
        for entry_id in () if doubted else found.expired:
            if self._dispatch.claim(entry_id):
                self._start(entry_id, self._relay.expire)
        for risk in found.risks:
            if self._watch.at_risk(risk):
                self._at_risk(risk)

    def _start(self, entry_id: int, work: Work) -> None:
        attempt = start(self._attempt(entry_id, work))
        if not attempt.called:
            self._attempts[entry_id] = attempt
        attempt.addErrback(self._failed).addBoth(self._ended, entry_id)

    def _ended(self, _result: object, entry_id: int) -> None:
        self._attempts.pop(entry_id, None)
        self._hint()

    async def _attempt(self, entry_id: int, work: Work) -> None:
        try:
            attempt = await self._written(entry_id, work)
        except Exception as error:
            self._fault(entry_id, error)
            self._dispatch.failed(entry_id)
            return
        await self._dispatch.done(entry_id, attempt)
        # What we cut because we stop says nothing of the primary.
        if attempt is not None and attempt.entry.for_primary and self.running:
            await self._watch.saw(attempt.entry.destination, attempt.signs)

    async def _written(self, entry_id: int, work: Work) -> Attempt | None:
        """The attempt once it is written down, however long the store is full: forgetting it would deliver twice."""
        try:
            return await work(entry_id)
        except XtramailError as error:
            self._pause_for(error)
            if not self._relay.owes(entry_id):
                raise
            self._fault(entry_id, error)
        while True:
            await self._pause(entry_id)
            try:
                return await self._relay.write_owed(entry_id)
            except XtramailError as error:
                self._pause_for(error)
                if not self.running:
                    raise

    def _pause_for(self, error: Exception) -> None:
        if isinstance(error, Unavailable):
            self._paused_until = self._reactor.seconds() + STORE_PAUSE

    async def _pause(self, entry_id: int) -> None:
        if not self.running:
            return
        pause: Deferred[None] = Deferred()
        timer = self._reactor.callLater(STORE_PAUSE, pause.callback, None)
        self._pauses[entry_id] = (timer, pause)
        try:
            await pause
        finally:
            del self._pauses[entry_id]

    def _failed(self, failure: Failure) -> None:
        if failure.value is not None:
            self._fault(0, failure.value)
