"""The ledger looked through: accepted = sum of fates, in the counts, in the rows, and in the queue.

What ``store.ledger`` counts as it goes is counted again from its rows, in slices between which the server works on.
What changed meanwhile is counted anew, and what still differs is looked at once more, in one look, before it is told.
Also: every open fate has its recipient in the queue. Owns no timer: ``net/slow_walk`` goes through it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.outcome import OPEN_FATES
from xtramail.store import keys, ledger, outbound, queue_keys
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import FateCounts, LedgerRow, QueueEntry, decode
from xtramail.store.verify_checks import check_ledger

STEP = 1_000
"""Rows in a slice: a few milliseconds."""
TRIES = 3
"""What changes while it is counted is counted so often; a bucket in full use shows its sums all the same."""


@dataclass(frozen=True, slots=True)
class Unbalanced:
    bucket: Bucket | None
    """None: it is the queue that does not agree."""
    text: str


@dataclass(slots=True)
class Audit:
    """One pass: exhaust :meth:`walk`, then look at ``found``."""

    engine: Engine
    step: int = STEP
    found: list[Unbalanced] = field(default_factory=list)

    def walk(self) -> Iterator[None]:
        """A slice at each step."""
        for bucket in self.engine.read(keys.QUEUE, _buckets):
            counts = self._counts(bucket)
            if counts.accepted != sum(counts.fates.values()):
                text = f"{counts.accepted} accepted, {sum(counts.fates.values())} fates {counts.fates}"
                self.found.append(Unbalanced(bucket, text))
            else:
                yield from self._recount(bucket)
            yield
        yield from self._open()

    def _counts(self, bucket: Bucket) -> FateCounts:
        return self.engine.read(keys.QUEUE, partial(ledger.counts, bucket=bucket))

    def _recount(self, bucket: Bucket) -> Iterator[None]:
        for _ in range(TRIES):
            before, tally = self._counts(bucket), Counter[str]()
            low: bytes | None = queue_keys.LEDGER
            # Mail that comes in faster than it is counted would keep us for ever.
            high = self.engine.read(keys.QUEUE, partial(_end, bucket=bucket, tag=queue_keys.LEDGER))
            while low is not None:
                fates, low = self.engine.read(
                    keys.QUEUE, partial(_fates, bucket=bucket, low=low, high=high, limit=self.step)
                )
                tally.update(fates)
                yield
            if before != self._counts(bucket):
                continue
            if before.fates != dict(tally):
                wrong = self.engine.read(keys.QUEUE, partial(check_ledger, bucket=bucket))
                self.found += [Unbalanced(bucket, finding.text) for finding in wrong]
            return

    def _open(self) -> Iterator[None]:
        """Open fates in the ledger, and recipients that the queue still works on."""
        for _ in range(TRIES):
            before, waiting, last = self._balance(), 0, -1
            end = self.engine.read(keys.QUEUE, partial(_end, bucket=PERMANENT, tag=queue_keys.ENTRIES))
            while queue_keys.entry(last + 1) < end and (
                entries := self.engine.read(
                    keys.QUEUE, partial(outbound.entries_after, entry_id=last, limit=self.step)
                )
            ):
                waiting += sum(map(_waiting, entries))
                last = entries[-1].id
                yield
            if before != self._balance():
                continue
            opened = sum(before.fates[fate] for fate in OPEN_FATES)
            if opened != waiting:
                text = f"{opened} recipients have an open fate, but the queue holds {waiting} of them"
                self.found.append(Unbalanced(None, text))
            return

    def _balance(self) -> ledger.Balance:
        return self.engine.read(keys.QUEUE, ledger.balance)


def _buckets(snap: Snapshot) -> list[Bucket]:
    return snap.buckets()


def _end(snap: Snapshot, *, bucket: Bucket, tag: bytes) -> bytes:
    """Behind the last row that there is now."""
    rows = snap.range(bucket, tag, keys.after(tag), limit=1, reverse=True)
    return rows[0][0] + b"\0" if rows else tag


def _fates(snap: Snapshot, *, bucket: Bucket, low: bytes, high: bytes, limit: int) -> tuple[list[str], bytes | None]:
    """Fates of the next rows, and where to go on."""
    rows = snap.range(bucket, low, high, limit=limit)
    fates = [decode(value, LedgerRow).fate for _, value in rows]
    return fates, rows[-1][0] + b"\0" if len(rows) == limit else None


def _waiting(entry: QueueEntry) -> int:
    return len({one.address for one in entry.recipients if one.fate in OPEN_FATES})
