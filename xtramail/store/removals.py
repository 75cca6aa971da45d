"""Expunge: f goes, c loses its share, r tells what went; m and the body stay until the bucket's days are over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xtramail.model.bucket import Bucket
from xtramail.model.flags import Flag
from xtramail.store import keys, tallies
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mail_rows import Found, locate, locate_all, size_of
from xtramail.store.mailbox_rows import require, touched
from xtramail.store.records import Recoverable, decode, encode
from xtramail.store.tallies import CounterChange
from xtramail.store.user_clock import next_modseq, take_recoverable_numbers


def expunge(
    txn: Txn, mailbox_id: int, uids: Iterable[int] | None, by: str, now: float, deleted_only: bool
) -> list[int]:
    """UIDs that went, ascending. ``uids`` None: all; ``deleted_only``: of them those with \\Deleted.

    ``by`` (an address, or who did it) is kept with the message for recovery. Raises NoSuchMailbox.
    """
    mailbox = require(txn, mailbox_id)
    present = locate_all(txn, mailbox) if uids is None else locate(txn, mailbox, uids)
    if deleted_only:
        present = [message for message in present if message.row.flags & Flag.DELETED]
    if not present:
        return []
    modseq = next_modseq(txn, keys.micros(now))
    put_recoverables(txn, mailbox_id, present, by=by, now=now, mailbox_name="")
    withdraw(txn, mailbox_id, present, modseq)
    touched(txn, mailbox, modseq)
    return [message.uid for message in present]


def put_recoverables(
    txn: Txn, mailbox_id: int, present: Sequence[Found], *, by: str, now: float, mailbox_name: str
) -> None:
    """Write r for messages that are about to go."""
    first = take_recoverable_numbers(txn, len(present))
    for number, message in enumerate(present, first):
        row = Recoverable(
            mailbox=mailbox_id,
            uid=message.uid,
            flags=message.row.flags,
            expunged_at=now,
            by=by,
            mailbox_name=mailbox_name,
        )
        txn.put(message.bucket, keys.recoverable(number), encode(row))


def withdraw(txn: Txn, mailbox_id: int, present: Sequence[Found], modseq: int) -> None:
    """Delete f and take the messages out of the counters."""
    changes: dict[Bucket, CounterChange] = {}
    for message in present:
        txn.delete(message.bucket, keys.flags(mailbox_id, message.uid))
        size = size_of(txn, mailbox_id, message.bucket, message.uid)
        changes.setdefault(message.bucket, CounterChange()).leave(message.row.flags, size)
    for bucket, change in changes.items():
        tallies.apply(txn, mailbox_id, bucket, change, modseq)


def recoverables(snap: Snapshot) -> list[tuple[Bucket, int, Recoverable]]:
    """Bucket, number and row of everything expunged that can still be had, by number (the order of expunging)."""
    high = keys.after(keys.RECOVERABLES)
    found = [
        (bucket, keys.recoverable_number(key), decode(value, Recoverable))
        for bucket in snap.buckets()
        for key, value in snap.range(bucket, keys.RECOVERABLES, high)
    ]
    return sorted(found, key=lambda entry: entry[1])
