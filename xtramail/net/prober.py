"""Looks at primaries that are not seen by mail anyway, and at planned holds whose time has come.

Owns when a primary is looked at, and how many at a time. What a look means is ``delivery/watch``'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from xtramail.delivery.asking import primary_hops
from xtramail.delivery.courier import Courier, NotAsked
from xtramail.delivery.raising import Say, say_nothing
from xtramail.delivery.signs import ANSWERED, NOTHING, Signs, signs_of_canary
from xtramail.delivery.watch import Watch
from xtramail.directory.domain_settings import seconds, text
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.primary import OUTAGE, Sign
from xtramail.net.adapter import start
from xtramail.store import domains, keys
from xtramail.store.engine import Engine
from xtramail.store.records import DomainRow

AT_ONCE = 20
"""Probes under way: a thousand primaries that time out together must not take all descriptors."""
AT_A_LOOK = 200
"""Domains looked at in one turn of the reactor."""


class Prober(Service):
    """``fault`` is told what went wrong with the work itself."""

    def __init__(
        self,
        reactor: Any,
        *,
        engine: Engine,
        watch: Watch,
        courier: Courier,
        fault: Callable[[BaseException], None],
        say: Say = say_nothing,
        interval: float = 1.0,
    ) -> None:
        self._engine = engine
        self._watch = watch
        self._courier = courier
        self._fault = fault
        self._say = say
        self._interval = interval
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._names: deque[str] = deque()
        self._under_way: dict[str, Deferred[Any]] = {}
        self._canaries: dict[str, bool] = {}
        """Canaries that were put to a primary since we run: whether it ever took them."""

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(self._interval)

    def stopService(self) -> Deferred[Any]:
        """Fires when the last probe has ended; the courier, which is closed beside us, cuts them."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        return DeferredList(list(self._under_way.values()), consumeErrors=True)

    def _look(self) -> None:
        # A loop that raises never comes again, and no outage would be seen any more.
        try:
            self._names = self._names or deque(domains.domain_names(self._engine))
            for _ in range(min(AT_A_LOOK, len(self._names))):
                self._look_at(self._names.popleft())
        except Exception as error:
            self._fault(error)

    def _look_at(self, name: str) -> None:
        domain = self._engine.read(keys.domain_scope(name), domains.get_domain)
        if domain is None or domain.unverified or not domain.primaries or name in self._under_way:
            return
        due = self._watch.due(domain, idle=seconds(domain, "probe-idle"), busy=seconds(domain, "probe-busy"))
        asked = due and len(self._under_way) < AT_ONCE
        work = start(self._visit(domain, asked=asked))
        if not work.called:
            self._under_way[name] = work
        work.addErrback(self._failed).addBoth(self._ended, name)

    def _ended(self, _result: object, name: str) -> None:
        self._under_way.pop(name, None)

    async def _visit(self, domain: DomainRow, *, asked: bool) -> None:
        await self._watch.window(domain.name)
        if asked:
            self._watch.looking(domain.name)
            signs = await self._probe(domain)
            # What we cut because we stop says nothing of the primary.
            if self.running:
                await self._watch.saw(domain.name, signs)

    async def _probe(self, domain: DomainRow) -> Signs:
        """Each host in its order, until one answers: it is down only if all are."""
        cause = ""
        canary = text(domain, "canary")
        for hop in primary_hops(domain):
            try:
                await self._courier.probe(hop)
                if not canary:
                    return ANSWERED
                reply = await self._courier.ask(hop, Address.parse(canary))
                signs = signs_of_canary(reply, f"{hop}: the canary {canary}")
                if signs.sign is Sign.GOOD:
                    self._canaries[canary] = self._canaries.get(canary, False) or reply.positive
                    return signs
                if self._never_taken(domain, canary, reply):
                    return ANSWERED
                cause = cause or signs.cause
            except NotAsked:
                return NOTHING
            except PrimaryDown as down:
                cause = cause or down.text
        return Signs(sign=Sign.FAULT, cause=cause)

    def _never_taken(self, domain: DomainRow, canary: str, reply: Reply) -> bool:
        """Refused for good by a primary that is up and never took it: an address that is not there, not an outage."""
        if reply.code < 500 or self._canaries.get(canary) or self._watch.state(domain.name).state in OUTAGE:
            return False
        if canary not in self._canaries:
            self._canaries[canary] = False
            self._say(
                "canary-refused",
                domain.name,
                f"{domain.name} refuses the canary {canary}: {reply.text}. It counts for nothing until it was taken. "
                f"Name one that is there: xtramail domain set {domain.name} canary=ADDRESS",
            )
        return True

    def _failed(self, failure: Failure) -> None:
        if failure.value is not None and self.running:
            self._fault(failure.value)
