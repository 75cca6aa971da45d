"""Replay: stored mail of a window of time is sent to its primary again, as the message that it is.

The ledger row that a message has for a recipient is advanced from what it was to *held*, in the commit that queues it,
and says that it was replayed: so nothing is counted twice, and a replay that died goes on where it was. Message-ID and
our own id never change. Nobody outside hears of a replay: its recipients have NOTIFY=NEVER.

Owns the order of work. What the ledger says of a message is ``replay_choice``'s, what lies at the primary is asked of
``primary_mail``; sending is the queue's, at its pace: entries become due one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from msgspec.structs import replace

from xtramail.delivery.primary_mail import PrimaryMailboxes
from xtramail.delivery.replay_choice import Row, Wanted, Why, read_rows, settled
from xtramail.delivery.suppression import Suppression
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import count
from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_at
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput, Corrupt
from xtramail.model.ids import IdSource, id_at, id_seconds, id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import keys, outbound, queue_keys, tracking
from xtramail.store.body_finding import find_body, reverse_path, top_of
from xtramail.store.engine import Engine, Txn
from xtramail.store.ledger import ledger_row
from xtramail.store.message_row import BodyRef
from xtramail.store.records import LogEvent, QueueEntry, QueueRecipient
from xtramail.telemetry.crashpoint import reach
from xtramail.wire.mime.scanner import Scanner

STEP = 1_000
"""Ledger rows read in one look."""
LOOK_FOR = 500
"""Messages looked for at the primary together: one visit for each of their mailboxes."""
COMMIT = 50
"""Messages queued in one commit."""
MOST_NAMED = 10_000
"""Messages that are named in the end; all are counted."""


@dataclass(slots=True)
class Totals:
    """Messages for one recipient each, by what became of them."""

    counts: Counter[Why] = field(default_factory=Counter)
    named: list[tuple[int, str]] = field(default_factory=list)
    """Message and recipient of the first that were queued (or would be)."""
    unknown: set[str] = field(default_factory=set)
    """Addresses whose mailboxes nobody could look into."""
    last_due: float = 0.0
    """When the last one that was queued goes."""


@dataclass(slots=True)
class _Message:
    """One message, and those of its recipients that are still to be decided."""

    bucket: Bucket
    message_id: int
    rows: dict[str, Row]
    reverse_path: str = ""
    header_message_id: str = ""

    @property
    def body_id(self) -> int:
        return next(iter(self.rows.values())).body_id

    @property
    def sent(self) -> bool:
        return next(iter(self.rows.values())).ledger.kind == "sent"


class Replay:
    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        suppression: Suppression,
        mailboxes: PrimaryMailboxes,
        clock: Clock,
        ids: IdSource,
        hold_seconds: float,
        by: str,
    ) -> None:
        """``by``: who wants it, for ledger and log."""
        self._engine = engine
        self._directory = directory
        self._suppression = suppression
        self._mailboxes = mailboxes
        self._clock = clock
        self._ids = ids
        self._hold_seconds = hold_seconds
        self._by = by

    async def run(self, wanted: Wanted, progress: Callable[[Totals], None] = lambda totals: None) -> Totals:
        """Go through the window once; ``progress`` is called as it goes."""
        totals, started = Totals(), self._clock.now()
        pace = 60.0 / count(wanted.domain, "replay-rate")
        async for some in self._batches(wanted, totals):
            for message in [one for one in some if one.rows]:
                self._without_deleted(message, wanted, totals)
            if wanted.only_missing:
                await self._without_present(some, wanted, totals)
            left = [one for one in some if one.rows]
            for at in range(0, len(left), COMMIT):
                await self._queue(left[at : at + COMMIT], wanted, totals, started, pace)
                progress(totals)
            progress(totals)
        return totals

    async def _batches(self, wanted: Wanted, totals: Totals) -> AsyncIterator[list[_Message]]:
        batch: list[_Message] = []
        for bucket in self._engine.read(keys.QUEUE, lambda snap: snap.buckets()):
            for message in self._messages(bucket, wanted, totals):
                batch.append(message)
                if len(batch) >= LOOK_FOR:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _messages(self, bucket: Bucket, wanted: Wanted, totals: Totals) -> Iterator[_Message]:
        """What the ledger of a bucket leaves to be sent, of which the octets are there."""
        low, end = queue_keys.ledger_prefix(id_at(wanted.start)), queue_keys.ledger_prefix(id_at(wanted.end))
        # What was released again since waits as a message of its own, which was made later.
        waiting = {
            (row.body_id, row.ledger.recipient)
            for row in self._rows(bucket, low, keys.after(queue_keys.LEDGER), wanted)
            if row.repeats and row.ledger.fate in OPEN_FATES
        }
        for message_id, rows in groupby(self._rows(bucket, low, end, wanted), key=lambda row: row.message_id):
            left = {}
            for row in rows:
                if row.repeats or (row.ledger.kind == "sent" and not wanted.sent) or not self._is_for(row, wanted):
                    continue
                why = settled(row.ledger, wanted, self._clock.now())
                if why is None and (row.body_id, row.ledger.recipient) in waiting:
                    why = Why.WAITING
                if why is None:
                    left[row.ledger.recipient] = row
                else:
                    totals.counts[why] += 1
            if left:
                message = self._described(_Message(bucket=bucket, message_id=message_id, rows=left))
                if message is None:
                    totals.counts[Why.GONE] += len(left)
                else:
                    yield message

    def _rows(self, bucket: Bucket, low: bytes, high: bytes, wanted: Wanted) -> Iterator[Row]:
        at: bytes | None = low
        while at is not None:
            look = partial(read_rows, bucket=bucket, low=at, high=high, limit=STEP, domain=wanted.domain.name)
            rows, at = self._engine.read(keys.QUEUE, look)
            yield from rows

    def _is_for(self, row: Row, wanted: Wanted) -> bool:
        if not wanted.user:
            return True
        names = (row.ledger.recipient, *self._people(row.ledger.recipient))
        return wanted.user in map(_key, names)

    def _mailbox(self, recipient: str) -> str:
        """The address of the mailbox at the primary in which mail for a recipient lies."""
        return next(iter(self._people(recipient)), recipient)

    def _people(self, recipient: str) -> list[str]:
        """The addresses of all whom a recipient stands for."""
        try:
            return [one.address for one in self._directory.resolve(Address.parse(recipient)).accounts]
        except BadInput:
            return []

    def _described(self, message: _Message) -> _Message | None:
        """With what its header says; None when that cannot be read."""
        try:
            top = top_of(self._engine, message.bucket, message.body_id)
        except Corrupt:
            top = None
        if top is None:
            return None
        scanner = Scanner(clock=self._clock.worked)
        scanner.feed(top)
        message.header_message_id = scanner.finish().message_id
        message.reverse_path = "" if message.sent else reverse_path(top)
        return message

    def _without_deleted(self, message: _Message, wanted: Wanted, totals: Totals) -> None:
        if wanted.deleted or message.sent:
            return
        nowhere = BodyRef(bucket=message.bucket, id=message.body_id, size=0, header_length=0)
        entry = self._entry(message, nowhere, wanted, due=0.0, eightbit=False)
        for recipient in self._suppression.deletions(entry, entry.recipients):
            del message.rows[recipient]
            totals.counts[Why.DELETED] += 1

    async def _without_present(self, some: Sequence[_Message], wanted: Wanted, totals: Totals) -> None:
        """Take away what lies at the primary, and what nobody can know of."""
        places = {recipient: self._mailbox(recipient) for message in some for recipient in message.rows}
        for mailbox in dict.fromkeys(places.values()):
            mine = [
                (message, recipient)
                for message in some
                for recipient in message.rows
                if places[recipient] == mailbox
            ]
            known = {id(message): _known_by(message) for message, _ in mine}
            there: set[tuple[str, str]] | None = set()
            for name in dict.fromkeys(name for name, _ in known.values()):
                values = [value for one, value in known.values() if one == name]
                found = await self._mailboxes.which(wanted.domain, mailbox, dict.fromkeys(values), name)
                there = None if found is None or there is None else there | {(name, value) for value in found}
            for message, recipient in mine:
                if there is not None and known[id(message)] not in there:
                    continue
                del message.rows[recipient]
                totals.counts[Why.UNKNOWN if there is None else Why.PRESENT] += 1
                if there is None:
                    totals.unknown.add(mailbox)

    async def _queue(
        self, some: Sequence[_Message], wanted: Wanted, totals: Totals, started: float, pace: float
    ) -> None:
        """Put messages into the queue, in one commit."""
        entries: list[QueueEntry] = []
        for message in some:
            due = started + pace * (totals.counts[Why.QUEUED] + len(entries))
            try:
                found = find_body(self._engine, message.bucket, message.body_id)
            except Corrupt:
                found = None
            if found is None:
                totals.counts[Why.GONE] += len(message.rows)
            else:
                entries.append(self._entry(message, found.ref, wanted, due=due, eightbit=found.eightbit))
        seen = {message.message_id: message.rows for message in some}
        queued = entries if wanted.dry_run else await self._written(entries, seen)
        for entry in queued:
            totals.counts[Why.QUEUED] += len(entry.recipients)
            totals.last_due = entry.due
            room = MOST_NAMED - len(totals.named)
            totals.named += [(entry.message_id, one.address) for one in entry.recipients[:room]]
        left = sum(len(entry.recipients) for entry in entries) - sum(len(entry.recipients) for entry in queued)
        # Somebody else was quicker: another replay, or a person who released it.
        totals.counts[Why.WAITING] += left

    async def _written(self, entries: Sequence[QueueEntry], seen: dict[int, dict[str, Row]]) -> list[QueueEntry]:
        now = self._clock.now()
        queued: list[QueueEntry] = []
        reply = f"replayed by {self._by}"

        def enqueue(txn: Txn) -> None:
            queued.clear()
            for entry in entries:
                bucket = Bucket(entry.body.bucket)
                known = seen[entry.message_id]
                some = tuple(
                    one
                    for one in entry.recipients
                    if ledger_row(txn, bucket, entry.message_id, one.address) == known[one.address].ledger
                )
                if not some:
                    continue
                taken = replace(entry, recipients=some)
                outbound.enqueue(txn, taken)
                row = replace(outbound.first_row(taken, now), reply=reply, replayed=now)
                for one in some:
                    outbound.ledger_put(txn, bucket, entry.message_id, one.address, row)
                queued.append(taken)

        def tell(txn: Txn) -> None:
            for entry in queued:
                tracking.record(txn, bucket_at(now, CLASS_LOG), _event(entry, reply, now))

        reach("replay.before-commit")
        await self._engine.transact_all([(keys.QUEUE, enqueue), (keys.LOG, tell)])
        reach("replay.after-commit")
        return list(queued)

    def _entry(
        self, message: _Message, body: BodyRef, wanted: Wanted, *, due: float, eightbit: bool
    ) -> QueueEntry:
        now = self._clock.now()
        recipients = tuple(
            QueueRecipient(address=address, notify="NEVER", fate=Fate.HELD.value, changed=now)
            for address in message.rows
        )
        return QueueEntry(
            id=self._ids.next(),
            message_id=message.message_id,
            destination=wanted.domain.name,
            kind="sent" if message.sent else "primary",
            body=body,
            reverse_path=message.reverse_path,
            # Of sent mail it is the date that it has in the mailbox there.
            arrival=id_seconds(message.message_id) if message.sent else now,
            due=due,
            expires=max(due, now) + self._hold_seconds,
            recipients=recipients,
            origin="submission" if message.sent else "smtp",
            smtputf8=not all(address.isascii() for address in (message.reverse_path, *message.rows)),
            eightbit=eightbit,
            header_message_id=message.header_message_id,
            released=wanted.deleted,
        )


def _known_by(message: _Message) -> tuple[str, str]:
    """Field and value by which it is found at the primary: without a Message-ID it is our Received line with our id."""
    if message.header_message_id:
        return "Message-ID", message.header_message_id
    return "Received", f"id {id_text(message.body_id)}"


def _key(address: str) -> str:
    try:
        return Address.parse(address).key
    except BadInput:
        return address


def _event(entry: QueueEntry, text: str, now: float) -> LogEvent:
    return LogEvent(
        at=now,
        message_id=entry.message_id,
        kind="replayed",
        sender=entry.reverse_path,
        recipients=tuple(one.address for one in entry.recipients),
        text=f"to the primary again: {text}",
        fields={"destination": entry.destination, "next": f"{entry.due:.0f}"},
    )
