"""What is known to be true: who was told yes, what primaries took; and whether the store says the same.

Holds a store to these promises. What was acknowledged is in its mailboxes, byte for byte, until its days are over, by
a clock that is believed; and whatever waits can be read. Every accepted recipient has exactly one fate, which the queue
and the sums agree with, and which is final once it is closed. A primary takes a message for a recipient twice only
where its first answer could not be known, and the ledger says that it could not, for as long as it cannot; a third time
only when a person says so. What is held stays, and what its user deleted before is not handed over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.primaries import Handed
from xtramail.delivery.clock_rule import AGREEMENT, AHEAD, BEHIND, DAYS_PER_DAY
from xtramail.delivery.relay import Attempt
from xtramail.delivery.retention import read_state
from xtramail.delivery.turn import MOST_LOST
from xtramail.model.bucket import Bucket, bucket_class, bucket_day
from xtramail.model.clock import Clock, day_of
from xtramail.model.errors import XtramailError
from xtramail.model.ids import id_from_text, id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.model.pending import Pending
from xtramail.store import bodies, copies, keys, ledger, outbound, queue_keys, schema, tracking
from xtramail.store.engine import Snapshot
from xtramail.store.mail_rows import message_row
from xtramail.store.records import Account, LedgerRow, QueueEntry, decode

OPEN = frozenset(str(fate) for fate in OPEN_FATES)
CLOSED = frozenset(map(str, Fate)) - OPEN
UNDER_WAY = 1.0
"""Seconds: so long before its first word to a host an attempt may have begun."""
A_DAY = AGREEMENT - 1_000.0
"""Seconds, less what may lie between a drop and our look."""
STRANGERS = ("@sender.example", "@world.example")
Place = tuple[int, str]
"""Our id of a message, and a recipient as the sender wrote it."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A message that was answered with 250."""

    name: str
    message_id: int
    octets: bytes
    header_message_id: str
    sender: str
    recipients: tuple[str, ...]
    behind: frozenset[str]
    """Those of ``recipients`` to whom it is forwarded."""
    stands: frozenset[str]
    """Those who stand for others."""
    mailboxes: tuple[Account, ...]
    """Who has a copy."""
    filed: Account | None
    """Whose Sent has one."""
    days: frozenset[int]
    """Of its copies: the day of its first octet, by the clock of then."""


@dataclass(slots=True)
class Taken:
    """One message at one primary for one recipient."""

    octets: bytes
    answered: bool
    """Its answer was on its way to us."""
    life: int
    """Of the server that handed it over."""


@dataclass
class Truth:
    """``life`` counts the server's lives; a life that ended by a death may have lost what it knew."""

    clock: Clock
    life: int = 0
    messages: dict[int, Acknowledged] = field(default_factory=dict)
    taken: dict[Place, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    fates: dict[Place, str] = field(default_factory=dict)
    """As last seen in the ledger."""
    told: dict[Place, str] = field(default_factory=dict)
    """As an attempt was last reported, after its commit."""
    cut: set[Place] = field(default_factory=set)
    """What was at a primary, answered or not, while the ledger still had it open and the server died."""
    deleted: set[int] = field(default_factory=set)
    """Accounts that deleted something."""
    doubtful: set[Place] = field(default_factory=set)
    """What may be at a primary without our knowing: it must be called so until it closes."""
    unanswered: Counter[Place] = field(default_factory=Counter)
    """How often it was taken since a person last let it go."""
    stopped: dict[Place, float] = field(default_factory=dict)
    """Messages that a person holds, and since when."""
    closed: dict[str, float] = field(default_factory=dict)
    """Domains that are held, and since when."""
    asked: dict[Place, float] = field(default_factory=dict)
    """When the server was last about to write a dot."""
    devices: dict[bytes, int] = field(default_factory=dict)
    """Marks of device passwords, and whose they are."""
    revoked: set[bytes] = field(default_factory=set)
    unbelieved: float = 0.0
    """Until then (steady) nobody believes the clock."""
    gone: set[Bucket] = field(default_factory=set)
    """Dropped, as was last seen."""
    lost: dict[int, float] = field(default_factory=dict)
    """Days whose mail went, and when."""
    latest: float = 0.0
    """The latest that the wall clock ever said."""
    engine: Any = None

    def acknowledged(self, message: Acknowledged) -> None:
        self.messages[message.message_id] = message
        # What closes at once may expire before anybody looks again, when the clock goes ahead by weeks.
        rows = self.ledger()
        places = ((message.message_id, recipient) for recipient in message.recipients)
        self.fates.update({place: str(rows[place].fate) for place in places if place in rows})

    def attempted(self, attempt: Attempt) -> None:
        for one in attempt.changed:
            place = (attempt.entry.message_id, one.address)
            self.told[place] = one.fate
            over = one.fate == Fate.BOUNCED and one.reply.startswith("given up after")
            believed = self.clock.monotonic() >= self.unbelieved
            assert believed or not over, f"{self._name(place)} is given up by a clock that nobody believes"
            if one.fate in CLOSED:
                self.doubtful.discard(place)
                continue
            assert place not in self.doubtful or one.fate != Fate.HELD, f"the doubt of {self._name(place)} is forgotten"
            if one.fate == Fate.UNCONFIRMED:
                self.doubtful.add(place)

    def died(self) -> None:
        """The server died: what a primary had, and the ledger did not know yet, cannot be known."""
        rows = self.ledger()
        for place in self.taken:
            if place not in rows or rows[place].fate in OPEN:
                self.cut.add(place)
        self.doubtful |= {place for place, row in rows.items() if row.fate in (Fate.ATTEMPTED, Fate.UNCONFIRMED)}

    def clock_jumps(self, seconds: float) -> None:
        """Somebody sets the wall clock. What is over a day ahead, or ten minutes back, is not believed for a day."""
        known = self.engine.read(keys.STORE, read_state).run
        if known and (seconds > AHEAD or seconds < -BEHIND):
            self.unbelieved = self.clock.monotonic() + AGREEMENT

    def held(self, entry: QueueEntry, done: Pending[Any]) -> None:
        """A person holds an entry, if that could be written."""
        try:
            written = done.result()
        except XtramailError:
            return
        if written:
            self.stopped |= dict.fromkeys(_places(entry), self.clock.monotonic())

    def released(self, entry: QueueEntry) -> None:
        """A person lets an entry go."""
        for place in _places(entry):
            self.stopped.pop(place, None)
            self.unanswered.pop(place, None)

    # What primaries see.

    def begins(self, message_id: str, recipients: Sequence[str], host: str) -> None:
        number, now = int(id_from_text(message_id)), self.clock.monotonic()
        waiting = self.engine.read(keys.QUEUE, outbound.entries)
        found = [one for one in waiting if set(_places(one)) >= {(number, address) for address in recipients}]
        if host == "second.example" or not found:
            # What was true when the attempt began need not be true any more: the dot is another question.
            return
        entry = found[0]
        since = self.closed.get(entry.destination, now)
        assert now - since < UNDER_WAY, f"{self._name((number, recipients[0]))} goes to a domain that is held"
        message = self.messages.get(number)
        # A first attempt at once asks nobody.
        if message is None or entry.released or entry.arrival + 2.0 > self.clock.now():
            return
        for account in message.mailboxes:
            if account.address in recipients:
                seen = self.engine.read(keys.user_scope(account.id), lambda snap: _copies(snap, entry))
                deleted = seen.deleted and not seen.present
                assert not deleted, f"{message.name} was deleted by {account.address}, and goes out"

    def asks(self, message_id: str, recipients: Sequence[str]) -> None:
        number = int(id_from_text(message_id))
        self.asked |= dict.fromkeys([(number, one) for one in recipients], self.clock.monotonic())

    def takes(self, handed: Handed) -> None:
        recipient, octets, answered = handed.recipient, handed.octets, handed.answered
        place = (int(id_from_text(handed.message)), recipient)
        row = self.ledger().get(place)
        name = self._name(place)
        assert row is not None, f"{name} is handed over without a row in the ledger"
        assert row.fate in (Fate.ATTEMPTED, Fate.UNCONFIRMED), f"{name} is handed over as {row.fate}"
        held = self.stopped.get(place)
        assert held is None or self.asked[place] <= held, f"{name} is held, and handed over"
        self.unanswered[place] += 1
        asked = self.unanswered[place] <= MOST_LOST or recipient.endswith(STRANGERS)
        assert asked, f"{name} is handed over once more, and nobody was asked"
        earlier = self.taken[place]
        if earlier:
            last = earlier[-1]
            assert not last.answered or place in self.cut, f"{name} is handed over twice, and its answer was there"
            history = [fate for fate, _, _ in row.history]
            assert Fate.ATTEMPTED in history or Fate.UNCONFIRMED in history, f"{name}: the ledger explains no duplicate"
            assert octets == last.octets, f"{name} differs the second time"
        self.cut.discard(place)
        earlier.append(Taken(octets=octets, answered=answered, life=self.life))
        accepted = self.messages.get(place[0])
        if accepted is not None:
            assert octets.endswith(accepted.octets), f"{name} is not what was sent"
            trace = b"Delivered-To: " if recipient in accepted.behind else b"Received: "
            assert octets.startswith(trace), f"{name} has no trace of us"
            self._sent_as(accepted, handed)

    def _sent_as(self, accepted: Acknowledged, handed: Handed) -> None:
        """What strangers send goes on to the world under our name, everything else under the sender's."""
        stranger = accepted.sender.endswith(STRANGERS) and handed.recipient.endswith(STRANGERS)
        if stranger and handed.recipient in accepted.behind:
            homes = {alias.rpartition("@")[2] for alias in accepted.stands}
            assert handed.sender.rpartition("@")[2] in homes, f"{accepted.name} is forwarded as {handed.sender}"
        else:
            assert handed.sender == accepted.sender, f"{accepted.name} is sent as {handed.sender}"

    # The store.

    def ledger(self) -> dict[Place, LedgerRow]:
        """Every row of every bucket that lives."""
        return self.engine.read(keys.QUEUE, _ledger)

    def waiting(self) -> bool:
        """Whether anything is in the queue."""
        return bool(self.engine.read(keys.QUEUE, lambda snap: outbound.entries(snap, limit=1)))

    def check(self) -> None:
        """After each step: fates, sums and the queue."""
        self.latest = max(self.latest, self.clock.now())
        rows: dict[Place, LedgerRow]
        rows, balance, entries, counted, dropped = self.engine.read(keys.QUEUE, _look)
        fresh, self.gone = dropped - self.gone, dropped
        assert not fresh or self.clock.monotonic() >= self.unbelieved, f"{fresh} go by a clock that nobody believes"
        self.lost |= dict.fromkeys({bucket_day(one) for one in fresh}, self.clock.now())
        today = [day for day, at in self.lost.items() if abs(self.clock.now() - at) < A_DAY]
        assert len(today) <= DAYS_PER_DAY, f"{len(today)} days of mail go in one"
        assert balance.holds and all(count >= 0 for count in balance.fates.values()), balance
        for bucket, kept, found in counted:
            assert kept == found, f"bucket {bucket}: counts {kept}, rows {found}"
        waiting: dict[Place, Any] = {}
        for entry in entries:
            assert outbound.is_open(entry), f"{entry.id} waits with nothing open"
            assert entry.body.bucket not in dropped, f"{entry.id} waits, and its octets are gone"
            for one in entry.recipients:
                place = (entry.message_id, one.address)
                assert place not in waiting, f"{self._name(place)} waits twice"
                waiting[place] = entry
                assert place in rows, f"{self._name(place)} waits and is not in the ledger"
                assert rows[place].fate == one.fate, f"{self._name(place)}: {rows[place].fate} and {one.fate}"
        for place, row in rows.items():
            assert (row.fate not in OPEN) or place in waiting, f"{self._name(place)} is {row.fate} and waits nowhere"
            before = self.fates.get(place, Fate.HELD)
            assert before in OPEN or before == row.fate, f"{self._name(place)} was {before} and is {row.fate}"
            self.fates[place] = str(row.fate)
        for message in self.messages.values():
            for recipient in message.recipients:
                self._has_a_fate((message.message_id, recipient), rows)

    def _has_a_fate(self, place: Place, rows: dict[Place, LedgerRow]) -> None:
        if place in rows:
            return
        last = self._logged(place) or self.told.get(place) or self.fates.get(place)
        assert last is not None, f"{self._name(place)} was acknowledged and has no fate"
        assert last not in OPEN, f"{self._name(place)} was {last} and is not in the ledger any more"

    def _logged(self, place: Place) -> str:
        """The fate that the message log has last, where it is closed: it may have closed and expired at once."""
        events = self.engine.read(keys.LOG, lambda snap: tracking.events_of(snap, place[0]))
        fates = [one.fields.get("fate", "") for one in events if place[1] in one.recipients]
        closed = [fate for fate in fates if fate in CLOSED]
        if closed:
            self.told[place] = closed[-1]
        return closed[-1] if closed else ""

    def check_mail(self) -> None:
        """Every mailbox, and what primaries have."""
        dropped = set(self.engine.read(keys.STORE, lambda snap: dict(snap.dropped())))
        buckets = [bucket for bucket in self.engine.buckets() if bucket not in dropped]
        days = {number: one.days for number, one in self.engine.read(keys.STORE, schema.retention_classes).items()}
        for bucket in dropped:
            over = bucket_day(bucket) + days[bucket_class(bucket)]
            assert over < day_of(self.latest), f"bucket {bucket} went before its days were over"
        lost = {bucket_day(bucket) for bucket in dropped}
        for message in self.messages.values():
            if message.days & lost:
                continue
            for account in message.mailboxes:
                self._is_kept(message, account, buckets, message.message_id)
            if message.filed is not None:
                self._is_kept(message, message.filed, buckets, 0)

    def _is_kept(self, message: Acknowledged, account: Account, buckets: list[Bucket], object_id: int) -> None:
        who = f"{message.name} of {account.address}"

        def look(snap: Snapshot) -> list[bytes]:
            found = []
            for bucket in buckets:
                low = keys.message_id_prefix(message.header_message_id)
                for key, _ in snap.range(bucket, low, keys.after(low)):
                    mailbox, uid = keys.message_id_place(key)
                    row = message_row(snap, mailbox, bucket, uid)
                    assert row is not None, f"{who}: listed and not there"
                    if object_id and row.object_id != object_id:
                        continue
                    seen = copies.copies_of(snap, bucket, row.object_id, message.header_message_id)
                    assert seen.present or seen.deleted, f"{who}: neither in a mailbox nor in Recovered"
                    assert seen.present or account.id in self.deleted, f"{who}: in Recovered, and nobody deleted it"
                    found.append(bodies.read(self.engine, row.body))
            return found

        copied = self.engine.read(keys.user_scope(account.id), look)
        assert copied, f"{who} was acknowledged and is in no mailbox"
        if object_id:
            # Who writes to oneself has it in Sent as well.
            most = 2 if message.filed is not None and message.filed.id == account.id else 1
            assert len(copied) <= most, f"{who} is there {len(copied)} times"
        for octets in copied:
            assert octets.endswith(message.octets), f"{who} is not what was sent"

    def check_end(self) -> None:
        """All is well, and was for long enough: nothing waits, and each fate is true."""
        self.check()
        self.check_mail()
        entries = self.engine.read(keys.QUEUE, outbound.entries)
        assert not entries, f"it still waits: {entries}"
        for message in self.messages.values():
            for recipient in message.recipients:
                place = (message.message_id, recipient)
                fate = self.fates.get(place, Fate.HELD)
                if fate in OPEN:
                    # It closed and expired between two looks.
                    fate = self.told.get(place, fate)
                if fate == Fate.DELIVERED:
                    home = any(account.address == recipient for account in message.mailboxes)
                    home = home or recipient in message.stands
                    assert home or self.taken[place], f"{self._name(place)} is delivered to nobody"
                elif fate == Fate.SUPPRESSED:
                    assert self.deleted, f"{self._name(place)} is suppressed, and nobody deleted anything"
                else:
                    assert fate == Fate.BOUNCED, f"{self._name(place)} ended as {fate}"

    def _name(self, place: Place) -> str:
        message = self.messages.get(place[0])
        return f"{message.name if message else id_text(place[0])} for {place[1]}"


def _ledger(snap: Snapshot) -> dict[Place, LedgerRow]:
    found: dict[Place, LedgerRow] = {}
    for bucket in snap.buckets():
        for key, value in snap.range(bucket, queue_keys.LEDGER, keys.after(queue_keys.LEDGER)):
            row = decode(value, LedgerRow)
            place = (int.from_bytes(key[1:9], "big"), row.recipient)
            assert place not in found, f"{row.recipient} has two fates for one message"
            found[place] = row
    return found


def _look(snap: Snapshot) -> Any:
    counted = [
        (bucket, _tidy(ledger.counts(snap, bucket)), _tidy(ledger.recount(snap, bucket)))
        for bucket in snap.buckets()
    ]
    return _ledger(snap), outbound.balance(snap), outbound.entries(snap), counted, set(snap.dropped())


def _copies(snap: Snapshot, entry: QueueEntry) -> copies.Copies:
    return copies.copies_of(snap, Bucket(entry.body.bucket), entry.body.id, entry.header_message_id)


def _places(entry: QueueEntry) -> list[Place]:
    return [(entry.message_id, one.address) for one in entry.recipients]


def _tidy(counts: Any) -> tuple[int, dict[str, int]]:
    return counts.accepted, {str(fate): count for fate, count in counts.fates.items() if count}
