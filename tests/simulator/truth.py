"""What is known to be true: who was told yes, what primaries took; and whether the store says the same.

Holds a store to three promises. What was acknowledged is in its mailboxes, byte for byte, until its days are over.
Every accepted recipient has exactly one fate, which the queue and the sums agree with, and which is final once it is
closed. A primary takes a message for a recipient twice only where its first answer could not be known, and the ledger
says that it could not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from xtramail.delivery.relay import Attempt
from xtramail.model.bucket import Bucket, bucket_class, bucket_day
from xtramail.model.clock import Clock, day_of
from xtramail.model.ids import id_from_text, id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import bodies, copies, keys, ledger, outbound, queue_keys, schema, tracking
from xtramail.store.engine import Snapshot
from xtramail.store.mail_rows import message_row
from xtramail.store.records import Account, LedgerRow, decode

OPEN = frozenset(str(fate) for fate in OPEN_FATES)
CLOSED = frozenset(map(str, Fate)) - OPEN
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
            self.told[(attempt.entry.message_id, one.address)] = one.fate

    def died(self) -> None:
        """The server died: what a primary had, and the ledger did not know yet, cannot be known."""
        rows = self.ledger()
        for place in self.taken:
            if place not in rows or rows[place].fate in OPEN:
                self.cut.add(place)

    def takes(self, message: str, recipient: str, octets: bytes, answered: bool) -> None:
        """A primary takes a message."""
        place = (int(id_from_text(message)), recipient)
        row = self.ledger().get(place)
        name = self._name(place)
        assert row is not None, f"{name} is handed over without a row in the ledger"
        assert row.fate in (Fate.ATTEMPTED, Fate.UNCONFIRMED), f"{name} is handed over as {row.fate}"
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
            assert octets.startswith(b"Received: "), f"{name} has no trace of us"

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
        rows, balance, entries, counted = self.engine.read(keys.QUEUE, _look)
        assert balance.holds and all(count >= 0 for count in balance.fates.values()), balance
        for bucket, kept, found in counted:
            assert kept == found, f"bucket {bucket}: counts {kept}, rows {found}"
        waiting: dict[Place, Any] = {}
        for entry in entries:
            assert outbound.is_open(entry), f"{entry.id} waits with nothing open"
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
    return _ledger(snap), outbound.balance(snap), outbound.entries(snap), counted


def _tidy(counts: Any) -> tuple[int, dict[str, int]]:
    return counts.accepted, {str(fate): count for fate, count in counts.fates.items() if count}
