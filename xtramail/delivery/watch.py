"""The watch over primaries: what attempts and probes showed of each becomes steps in its table of states.

Keeps in memory what was counted since a primary's last step; the states themselves are in the store, so that a restart,
or a person at the command line, changes nothing that others would not see. Owns no probe (``net/prober``) and no queue.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from xtramail.delivery.overdue import Risk
from xtramail.delivery.signs import Signs
from xtramail.directory.directory import Directory, Standing
from xtramail.directory.domain_settings import switch
from xtramail.directory.primaries import hysteresis, step
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput
from xtramail.model.primary import NEXT, Event, Health, Sign, State
from xtramail.store import keys, outages, outbound
from xtramail.store.engine import Engine, Txn
from xtramail.store.outages import PrimaryRow, Transition, Window
from xtramail.store.records import DomainRow


class Watch:
    """``told(domain, transition)`` is for the log and the metrics, after the commit."""

    def __init__(
        self, *, engine: Engine, directory: Directory, clock: Clock, told: Callable[[str, Transition], None]
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._told = told
        self._health: dict[str, tuple[int, Health]] = {}
        """By domain: the number of steps it had taken, and what was seen since."""
        self._warned: dict[str, int] = {}
        """Destination, and the day on which its people were warned last."""
        self._looked: dict[str, float] = {}
        """When (monotonic) a primary was last seen, by whatever sign: a delivery counts as a probe."""

    def state(self, name: str) -> PrimaryRow:
        """The state of a domain's primary, from the store."""
        return self._engine.read(keys.domain_scope(name), outages.primary)

    def due(self, domain: DomainRow, *, idle: float, busy: float) -> bool:
        """Whether it is time to look: nothing was seen for ``idle`` seconds, or for ``busy`` where it failed."""
        looked, row = self._looked.get(domain.name), self.state(domain.name)
        calm = State(row.state) not in (State.SUSPECT, State.DOWN) and not self._failed_last(domain.name, row)
        return looked is None or self._clock.monotonic() - looked >= (idle if calm else busy)

    def looking(self, name: str) -> None:
        """Somebody is asking it now."""
        self._looked[name] = self._clock.monotonic()

    async def saw(self, name: str, signs: Signs) -> Transition | None:
        """One look at the primary of a domain; the step that followed from it, if any."""
        domain = self._directory.domain(name)
        if signs.sign is None or domain is None or not domain.primaries:
            return None
        self.looking(domain.name)
        taken: Transition | None = None
        good = [one for one in signs.recipients if self._known_good(one)] if signs.sign is Sign.DEFERRAL else [""]
        for recipient in good:
            taken = await self._count(domain, signs.sign, signs.cause, recipient) or taken
        return taken

    async def _count(self, domain: DomainRow, sign: Sign, cause: str, recipient: str) -> Transition | None:
        row = self.state(domain.name)
        steps, health = self._health.get(domain.name, (row.steps, Health()))
        if steps != row.steps:
            health = Health()
        self._health[domain.name] = (row.steps, health)
        event = health.saw(sign, now=self._clock.monotonic(), numbers=hysteresis(domain), recipient=recipient)
        if event is None or event not in NEXT[State(row.state)]:
            return None
        taken = await self._step(domain, event, cause)
        if taken is not None and taken.after == State.SUSPECT:
            # The fault that made it suspect is the first of those that make it down.
            self._health[domain.name] = (row.steps + 1, health)
        return taken

    async def drained(self, name: str) -> Transition | None:
        """Everything that waited for the primary of a domain was handed over, or tried once; it is up, unless the last
        that was seen of it was a fault: a person may let mail go to a primary that is still away."""
        domain = self._directory.domain(name)
        if domain is None or self._failed_last(domain.name, self.state(domain.name)):
            return None
        left = self._engine.read(keys.QUEUE, lambda snap: outbound.entries(snap, domain.name, 1))
        cause = "all that waited was tried, some of it is tried again" if left else "all that waited was handed over"
        return await self._step(domain, Event.DRAINED, cause)

    def _failed_last(self, name: str, row: PrimaryRow) -> bool:
        """Whether there were faults since the last step, and nothing good after them."""
        steps, health = self._health.get(name, (row.steps, Health()))
        return steps == row.steps and bool(health.faults) and not health.goods

    async def window(self, name: str) -> None:
        """Begin or end a planned hold of a domain, as its time has come; to be called every few seconds."""
        scope, now = keys.domain_scope(name), self._clock.now()
        planned = self._engine.read(scope, outages.windows)
        domain = self._directory.domain(name)
        if domain is None:
            return
        row = self.state(name)
        running = next((one for one in planned if one.start <= now < one.end), None)
        if running is not None and row.state != State.HELD:
            await self._step(domain, Event.HOLD, _planned(running), held_by="window")
        elif running is None and row.state == State.HELD and row.held_by == "window":
            await self._step(domain, Event.RELEASE, "the maintenance window is over")
        over = tuple(one.id for one in planned if one.end <= now)
        if over:
            await self._engine.transact(scope, partial(_forget, over=over))

    def at_risk(self, risk: Risk) -> bool:
        """Mail is given up within a day: whether its people are to be told now, which is once a day."""
        day = int(self._clock.now() // 86_400)
        told, self._warned[risk.destination] = self._warned.get(risk.destination), day
        return told != day

    async def _step(self, domain: DomainRow, event: Event, cause: str, held_by: str = "") -> Transition | None:
        taken = await step(
            self._engine,
            domain.name,
            event,
            cause=cause,
            now=self._clock.now(),
            held_by=held_by,
            ask_first=switch(domain, "wait-for-ok"),
        )
        if taken is not None:
            self._told(domain.name, taken)
        return taken

    def _known_good(self, recipient: str) -> bool:
        try:
            return self._directory.resolve(Address.parse(recipient)).standing is Standing.LISTED
        except BadInput:
            return False


def _planned(window: Window) -> str:
    return f"maintenance: {window.reason}" if window.reason else "maintenance"


def _forget(txn: Txn, over: tuple[int, ...]) -> None:
    for window_id in over:
        outages.delete_window(txn, window_id)
