"""Which buckets are over their days, and what must leave one before it goes. When to look is ``delivery``'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from xtramail.model.bucket import CLASS_HELD, CLASS_LOG, PERMANENT, Bucket, bucket_at, bucket_class, bucket_day
from xtramail.model.errors import Corrupt, NoSuchMessage
from xtramail.store import keys, outbound
from xtramail.store.bodies import encoded_chunks
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.ledger import move_ledger
from xtramail.store.message_row import BodyRef
from xtramail.store.records import QueueEntry, RetentionClass

_STEP = 500
_BATCH = 8


NO_DAYS: Mapping[int, int] = {}


def dead_buckets(
    buckets: Iterable[Bucket],
    classes: Mapping[int, RetentionClass],
    today: int,
    *,
    log_from: int | None = None,
    younger: Mapping[int, int] = NO_DAYS,
) -> list[Bucket]:
    """Buckets with ``day + days(class) < today``, oldest first; ``today`` is a ``clock.day_of``.

    Mail lives its days and the rest of its first day. A bucket of an unknown class is never dead: losing a class row
    must not lose mail. The log is kept from the day ``log_from`` on: the story of a message that still waits is there.
    ``younger`` has the true day for days that a wrong clock showed.
    """
    return sorted(
        bucket
        for bucket in buckets
        if bucket != PERMANENT
        and (row := classes.get(bucket_class(bucket))) is not None
        and younger.get(bucket_day(bucket), bucket_day(bucket)) + row.days < today
        and (log_from is None or bucket_class(bucket) != CLASS_LOG or bucket_day(bucket) < log_from)
    )


def open_entries(engine: Engine, bucket: Bucket) -> list[QueueEntry]:
    """Queue entries whose body lies in ``bucket``, by id; the queue is read in steps."""
    found: list[QueueEntry] = []
    last = -1
    while True:
        step = engine.read(keys.QUEUE, _step_after(last))
        if not step:
            return found
        found.extend(entry for entry in step if entry.body.bucket == bucket)
        last = step[-1].id


async def move_open_bodies(engine: Engine, bucket: Bucket, now: float) -> int:
    """Save the bodies that queue entries still need from ``bucket`` into today's of CLASS_HELD, before it is dropped.

    Returns how many messages moved. Bodies are copied, then the message's entries and
    ledger rows move in one transaction: a crash in between leaves a copy that dies with its bucket, and running it
    again moves what is left. A body whose octets are gone or damaged stays where it is.
    """
    target = bucket_at(now, CLASS_HELD)
    if target == bucket:
        return 0
    moved = 0
    messages: dict[int, list[QueueEntry]] = {}
    for entry in open_entries(engine, bucket):
        messages.setdefault(entry.message_id, []).append(entry)
    for entries in messages.values():
        try:
            for ref in {entry.body for entry in entries}:
                await _copy_body(engine, ref, target)
        except (NoSuchMessage, Corrupt):
            continue
        await engine.transact(keys.QUEUE, _repoint([entry.id for entry in entries], bucket, target))
        moved += 1
    return moved


async def _copy_body(engine: Engine, ref: BodyRef, target: Bucket) -> None:
    batch: list[bytes] = []
    first = 0
    for chunk in encoded_chunks(engine, ref):
        batch.append(chunk)
        if len(batch) == _BATCH:
            await engine.append_body(target, ref.id, first, batch)
            first, batch = first + len(batch), []
    if batch:
        await engine.append_body(target, ref.id, first, batch)


def _step_after(last: int) -> Callable[[Snapshot], list[QueueEntry]]:
    def step(snap: Snapshot) -> list[QueueEntry]:
        return outbound.entries_after(snap, last, _STEP)

    return step


def _repoint(entry_ids: list[int], bucket: Bucket, target: Bucket) -> Callable[[Txn], None]:
    def repoint(txn: Txn) -> None:
        for entry_id in entry_ids:
            entry = outbound.find(txn, entry_id)
            # It was completed, or moved by another run, while its body was copied.
            if entry is None or entry.body.bucket != bucket:
                continue
            outbound.repoint(txn, entry_id, replace(entry.body, bucket=target))
            move_ledger(txn, bucket, target, entry.message_id)

    return repoint
