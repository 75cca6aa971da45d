"""A look at the ledger of one domain, or of everybody: how many of its mail have which fate, and where it is not true.

Counted from the rows. What is open there must wait in the queue for the same recipient, and what waits there must be
open in the ledger; where that is not so the message is named, after one more look. Owns no timer: a slice at each step
of :meth:`LedgerLook.walk`. Sums of everybody and their counters are ``audit``'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from xtramail.model.bucket import Bucket
from xtramail.model.ids import id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import keys, outbound, queue_keys
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import LedgerRow, QueueEntry, decode
from xtramail.store.tracking import LAST_ID

STEP = 1_000
"""Rows in a slice: a few milliseconds."""

Place = tuple[int, str]
"""Message and recipient."""


@dataclass(slots=True)
class LedgerLook:
    """One pass: exhaust :meth:`walk`, then look at the rest. ``low`` <= message id < ``high``."""

    engine: Engine
    domain: str = ""
    """Of whose primary; empty: everybody's."""
    low: int = 0
    high: int = LAST_ID
    each: Callable[[int, LedgerRow], bool] = lambda message_id, row: True
    """Called with each row: whether it counts."""
    accepted: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """A line for each message and recipient of which the balance does not hold."""

    @property
    def fate_counts(self) -> dict[str, int]:
        """Every fate, attempted with held."""
        counts = {fate.value: self.fates[fate.value] for fate in Fate if fate is not Fate.ATTEMPTED}
        return counts | {Fate.HELD.value: counts[Fate.HELD.value] + self.fates[Fate.ATTEMPTED.value]}

    @property
    def holds(self) -> bool:
        return self.accepted == sum(self.fates.values()) and not self.wrong

    def walk(self) -> Iterator[None]:
        """A slice at each step."""
        opened: set[Place] = set()
        for bucket in self.engine.read(keys.QUEUE, lambda snap: snap.buckets()):
            at: bytes | None = queue_keys.ledger_prefix(self.low)
            while at is not None:
                look = partial(_rows, bucket=bucket, low=at, high=queue_keys.ledger_prefix(self.high))
                rows, at = self.engine.read(keys.QUEUE, look)
                for message_id, row in rows:
                    if (not self.domain or row.destination == self.domain) and self.each(message_id, row):
                        self.accepted += 1
                        self.fates[row.fate] += 1
                        if row.fate in OPEN_FATES:
                            opened.add((message_id, row.recipient))
                yield
        waiting: dict[Place, int] = {}
        for some in self._entries():
            waiting.update((place, entry.id) for entry in some if self._mine(entry) for place in _places(entry))
            yield
        # Mail comes and goes while this is counted: what differs is looked at again.
        for place in sorted(waiting.keys() - opened):
            self.wrong += self.engine.read(keys.QUEUE, partial(_undecided, entry_id=waiting[place], place=place))
        missing = {place for place in opened - waiting.keys() if self._still_open(place)}
        if missing:
            for some in self._entries():
                missing.difference_update(place for entry in some for place in _places(entry))
                yield
        self.wrong += [
            f"{id_text(message_id)} for {recipient}: its fate is open, and it does not wait in the queue"
            for message_id, recipient in sorted(missing)
            if self._still_open((message_id, recipient))
        ]

    def _entries(self) -> Iterator[list[QueueEntry]]:
        last = -1
        while some := self.engine.read(keys.QUEUE, partial(outbound.entries_after, entry_id=last, limit=STEP)):
            last = some[-1].id
            yield some

    def _still_open(self, place: Place) -> bool:
        return self.engine.read(keys.QUEUE, partial(_fate_is_open, place=place))

    def _mine(self, entry: QueueEntry) -> bool:
        return (not self.domain or entry.destination == self.domain) and self.low <= entry.message_id < self.high


def _rows(
    snap: Snapshot, bucket: Bucket, low: bytes, high: bytes
) -> tuple[list[tuple[int, LedgerRow]], bytes | None]:
    rows = snap.range(bucket, low, high, limit=STEP)
    found = [(queue_keys.ledger_message(key), decode(value, LedgerRow)) for key, value in rows]
    return found, rows[-1][0] + b"\0" if len(rows) == STEP else None


def _places(entry: QueueEntry) -> list[Place]:
    return [(entry.message_id, one.address) for one in entry.recipients if one.fate in OPEN_FATES]


def _fate_is_open(snap: Snapshot, place: Place) -> bool:
    rows = (outbound.ledger_of(snap, bucket, place[0]).get(place[1]) for bucket in snap.buckets())
    return any(row is not None and row.fate in OPEN_FATES for row in rows)


def _undecided(snap: Snapshot, entry_id: int, place: Place) -> list[str]:
    """A line when it waits in this entry, and its fate is decided all the same."""
    entry = outbound.entry(snap, entry_id)
    if entry is None or place not in _places(entry) or _fate_is_open(snap, place):
        return []
    return [f"{id_text(place[0])} for {place[1]}: its fate is decided, and it waits in the queue"]
