"""Round trips: whether a primary that says 250 keeps what it took, by a canary that has to be found there by IMAP.

A message to the domain's canary goes the way of all mail, and is looked for in that mailbox. One that the primary took
and that is not there in time is a fault of it, and an alert: it accepts and discards. When it cannot be known (no
answer by IMAP, not handed over yet) nothing is concluded: other signs tell. One at a time for each domain; what was
found is removed there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from xtramail.delivery.canary import Canaries, Canary
from xtramail.delivery.own_mail import OwnMail
from xtramail.delivery.policy import Route
from xtramail.delivery.raising import Say
from xtramail.delivery.signs import Signs
from xtramail.delivery.watch import Watch
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import seconds, text
from xtramail.directory.round_trips import wanted
from xtramail.model.address import Address
from xtramail.model.clock import Clock, utc_text
from xtramail.model.envelope import ForwardPath
from xtramail.model.ids import id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.model.primary import Sign, State
from xtramail.store import domains, keys, round_trips
from xtramail.store.engine import Engine
from xtramail.store.records import DomainRow
from xtramail.store.round_trips import MOST_LEFT, RoundTrip

MISSED = "canary-missed"
"""Kind of the alert."""
AT_A_LOOK = 200
"""Domains that are looked at in one turn."""
LOOKS = 10
"""Looks into the mailbox within the time that a canary has, at most every second."""


@dataclass(frozen=True, slots=True)
class DueTrip:
    domain: str


class RoundTrips:
    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        canaries: Canaries,
        own_mail: OwnMail,
        watch: Watch,
        say: Say,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._canaries = canaries
        self._own_mail = own_mail
        self._watch = watch
        self._say = say
        self._clock = clock
        self._names: deque[str] = deque()
        self._looked: dict[str, float] = {}
        """When (monotonic) a domain's mailbox was last looked into."""

    def due(self) -> list[DueTrip]:
        """Domains of which something is to be done now; many domains take several looks."""
        self._names = self._names or deque(domains.domain_names(self._engine))
        some = [self._names.popleft() for _ in range(min(AT_A_LOOK, len(self._names)))]
        return [DueTrip(name) for name in some if self._is_due(name)]

    def _is_due(self, name: str) -> bool:
        domain = self._directory.domain(name)
        if domain is None or not wanted(domain):
            return False
        row, now = self._row(name), self._clock.now()
        if row.number:
            pause = max(seconds(domain, "canary-time") / LOOKS, 1.0)
            looked = self._looked.get(name)
            return looked is None or self._clock.monotonic() - looked >= pause
        # A primary that is away is looked at by probes; one that is held may be anything.
        up = State(self._watch.state(name).state) in (State.UP, State.SUSPECT)
        return up and not row.sent <= now < row.sent + seconds(domain, "canary-every")

    async def visit(self, due: DueTrip) -> None:
        """Send a canary, or look for the one that is on its way. Errors of the store pass through."""
        domain = self._directory.domain(due.domain)
        if domain is None or not wanted(domain):
            return
        row = self._row(domain.name)
        self._looked[domain.name] = self._clock.monotonic()
        if not row.number:
            await self._send(domain, row)
            return
        ledger = self._canaries.fate(row.number, text(domain, "canary"))
        late = self._clock.now() > row.sent + seconds(domain, "canary-time")
        if ledger is not None and ledger.fate == Fate.DELIVERED:
            await self._look(domain, row, ledger.at)
        elif ledger is None or ledger.fate not in OPEN_FATES:
            await self._note(domain, replace(row, number=0, message_id=""))
        elif late and await self._canaries.withdraw([row.number], "the canary's time is over"):
            await self._note(domain, replace(row, number=0, message_id=""))

    def _row(self, name: str) -> RoundTrip:
        return self._engine.read(keys.domain_scope(name), round_trips.round_trip)

    async def _note(self, domain: DomainRow, row: RoundTrip) -> None:
        await self._engine.transact(keys.domain_scope(domain.name), partial(round_trips.put, row=row))

    async def _send(self, domain: DomainRow, row: RoundTrip) -> None:
        now, hostname, to = self._clock.now(), self._own_mail.hostname, text(domain, "canary")
        message_id = f"<canary.{keys.micros(now)}@{hostname}>"
        canary = Canary(
            message_id=message_id,
            kind="canary of a round trip",
            of="PROBE",
            sender=f"postmaster@{hostname}",
            to=to,
            text=f"This message is looked for, to see that {domain.name} keeps what it takes. It can be deleted.",
        )
        # Nobody's mailbox here: what is proved is the primary's.
        path = ForwardPath(address=Address.parse(to), notify=("NEVER",))
        route = Route(path=path, domain=domain, accounts=(), relay=True, destination=domain.name)
        written = await self._own_mail.write(
            canary.octets(now), [route], retention_class=domain.retention_class, now=now
        )
        fresh = replace(row, sent=now, number=written.message_id, message_id=message_id)
        put = partial(round_trips.put, row=fresh)
        await self._engine.transact_all([*written.parts, (keys.domain_scope(domain.name), put)])

    async def _look(self, domain: DomainRow, row: RoundTrip, taken: float) -> None:
        canary, time = text(domain, "canary"), seconds(domain, "canary-time")
        # Before the question: an answer that takes long must not make a miss of what came in time.
        late = self._clock.now() > taken + time
        there = await self._canaries.mailboxes.has(domain, canary, row.message_id)
        left = (*row.left, row.message_id)[-MOST_LEFT:]
        over = replace(row, number=0, message_id="", left=left)
        if there:
            removed = await self._canaries.mailboxes.remove(domain, canary, left)
            now = self._clock.now()
            await self._note(domain, replace(over, came=now, missed=0, left=() if removed is not None else left))
        elif late and there is None:
            await self._note(domain, over)
        elif late:
            await self._missed(domain, replace(over, missed=row.missed + 1), row, taken, canary)

    async def _missed(
        self, domain: DomainRow, over: RoundTrip, row: RoundTrip, taken: float, canary: str
    ) -> None:
        await self._note(domain, over)
        what = f"it took the canary {id_text(row.number)} for {canary} at {utc_text(taken)} with 250"
        cause = f"{what}, and it is in no mailbox there"
        fields = {"canary": canary, "message": id_text(row.number), "missed": str(over.missed)}
        replay = f"xtramail replay {domain.name} --from -1d --only-missing"
        hint = f"Look at its rules and queues; send again what it lost: {replay}"
        self._say(MISSED, domain.name, f"The primary of {domain.name} may lose mail: {cause}. {hint}", fields)
        await self._watch.saw(domain.name, Signs(sign=Sign.FAULT, cause=cause))

