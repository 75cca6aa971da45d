"""The ledger (scope QUEUE): the fate of each accepted message for each recipient, in the message's bucket.

Beside the rows each bucket counts them by fate, so that *accepted = sum of fates* is looked at, not added up.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from xtramail.model.bucket import Bucket
from xtramail.model.outcome import Fate
from xtramail.store import keys, queue_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import FateCounts, LedgerRow, decode, encode

HISTORY = 16
"""Earlier states kept: the first one and the latest ones."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Over all live buckets: recipients accepted, and how many of them have which fate."""

    accepted: int
    fates: dict[Fate, int]

    @property
    def holds(self) -> bool:
        """The invariant: everything accepted has exactly one fate."""
        return self.accepted == sum(self.fates.values())


def ledger_put(txn: Txn, bucket: Bucket, message_id: int, recipient: str, row: LedgerRow) -> None:
    """Give a recipient its first fate or its next one, and count it; ``recipient`` exactly as the sender wrote it.

    What the row said before goes into its history, unless ``row`` brings a history of its own.
    """
    old = ledger_row(txn, bucket, message_id, recipient)
    row = replace(row, recipient=recipient)
    if old is not None and not row.history:
        row = replace(
            row,
            history=_continued(old),
            destination=row.destination or old.destination,
            kind=row.kind or old.kind,
            body=row.body or old.body,
            replayed=row.replayed or old.replayed,
        )
    txn.put(bucket, queue_keys.ledger(message_id, recipient), encode(row))
    if old is not None and old.fate == row.fate:
        return
    tally = counts(txn, bucket)
    fates = dict(tally.fates)
    if old is not None:
        fates[old.fate] = fates.get(old.fate, 0) - 1
    fate = str(row.fate)
    fates[fate] = fates.get(fate, 0) + 1
    _put_counts(txn, bucket, tally.accepted + (old is None), fates)


def _continued(old: LedgerRow) -> tuple[tuple[str, float, str], ...]:
    past = (*old.history, (old.fate, old.at, old.reply))
    return past if len(past) <= HISTORY else (past[0], *past[1 - HISTORY :])


def ledger_row(snap: Snapshot, bucket: Bucket, message_id: int, recipient: str) -> LedgerRow | None:
    """None when the message was not accepted for this recipient, or its days are over."""
    value = snap.get(bucket, queue_keys.ledger(message_id, recipient))
    return decode(value, LedgerRow) if value is not None else None


def ledger_of(snap: Snapshot, bucket: Bucket, message_id: int) -> dict[str, LedgerRow]:
    """Every recipient of a message, as written, with its row."""
    low = queue_keys.ledger_prefix(message_id)
    rows = (decode(value, LedgerRow) for _, value in snap.range(bucket, low, keys.after(low)))
    return {row.recipient: row for row in rows}


def balance(snap: Snapshot) -> Balance:
    """The sums that the buckets keep: one get for each live bucket."""
    accepted = 0
    fates = dict.fromkeys(Fate, 0)
    for bucket in snap.buckets():
        tally = counts(snap, bucket)
        accepted += tally.accepted
        for fate, count in tally.fates.items():
            fates[Fate(fate)] += count
    return Balance(accepted=accepted, fates=fates)


def recount(snap: Snapshot, bucket: Bucket) -> FateCounts:
    """What the counts of a bucket should be, from its rows; for verify."""
    fates: dict[str, int] = {}
    rows = snap.range(bucket, queue_keys.LEDGER, keys.after(queue_keys.LEDGER))
    for _, value in rows:
        fate = decode(value, LedgerRow).fate
        fates[fate] = fates.get(fate, 0) + 1
    return FateCounts(accepted=len(rows), fates=fates)


def move_ledger(txn: Txn, source: Bucket, target: Bucket, message_id: int) -> int:
    """Move a message's rows and their counts into another bucket; how many."""
    low = queue_keys.ledger_prefix(message_id)
    high = keys.after(low)
    moved = ledger_of(txn, source, message_id)
    if not moved:
        return 0
    txn.delete_range(source, low, high)
    tally = counts(txn, source)
    fates = dict(tally.fates)
    for row in moved.values():
        fates[row.fate] = fates.get(row.fate, 0) - 1
    _put_counts(txn, source, tally.accepted - len(moved), fates)
    for recipient, row in moved.items():
        ledger_put(txn, target, message_id, recipient, row)
    return len(moved)


def counts(snap: Snapshot, bucket: Bucket) -> FateCounts:
    """The counts that a bucket keeps."""
    value = snap.get(bucket, queue_keys.FATE_COUNTS)
    return decode(value, FateCounts) if value is not None else FateCounts()


def _put_counts(txn: Txn, bucket: Bucket, accepted: int, fates: dict[str, int]) -> None:
    row = FateCounts(accepted=accepted, fates={fate: fates[fate] for fate in sorted(fates) if fates[fate]})
    txn.put(bucket, queue_keys.FATE_COUNTS, encode(row))
