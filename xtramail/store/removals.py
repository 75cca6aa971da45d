"""Expunge: f goes, c loses its share, and Recovered has the message until its bucket's days are over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xtramail.model.bucket import Bucket
from xtramail.model.flags import Flag
from xtramail.store import keys, recovered, tallies
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mail_rows import Found, locate, locate_all, size_of
from xtramail.store.mailbox_rows import require, touched
from xtramail.store.tallies import CounterChange
from xtramail.store.user_clock import next_modseq


def expunge(
    txn: Txn, mailbox_id: int, uids: Iterable[int] | None, by: str, now: float, deleted_only: bool, taken: bool = False
) -> list[int]:
    """UIDs that went, ascending. ``uids`` None: all; ``deleted_only``: of them those with \\Deleted.

    ``by`` (an address, or who did it) and ``taken`` (by a POP3 client) are kept with the message for recovery. Raises
    NoSuchMailbox.
    """
    mailbox = require(txn, mailbox_id)
    present = locate_all(txn, mailbox) if uids is None else locate(txn, mailbox, uids)
    if deleted_only:
        present = [message for message in present if message.row.flags & Flag.DELETED]
    if not present:
        return []
    sizes = sizes_of(txn, mailbox_id, present)
    recovered.keep(txn, mailbox, present, sizes, by=by, now=now, taken=taken)
    modseq = next_modseq(txn, keys.micros(now))
    withdraw(txn, mailbox_id, present, sizes, modseq)
    touched(txn, mailbox, modseq)
    return [message.uid for message in present]


def sizes_of(snap: Snapshot, mailbox_id: int, present: Sequence[Found]) -> dict[int, int]:
    """Octets by UID."""
    return {found.uid: size_of(snap, mailbox_id, found.bucket, found.uid) for found in present}


def withdraw(txn: Txn, mailbox_id: int, present: Sequence[Found], sizes: Mapping[int, int], modseq: int) -> None:
    """Delete f and take the messages out of the counters."""
    changes: dict[Bucket, CounterChange] = {}
    for message in present:
        txn.delete(message.bucket, keys.flags(mailbox_id, message.uid))
        changes.setdefault(message.bucket, CounterChange()).leave(message.row.flags, sizes[message.uid])
    for bucket, change in changes.items():
        tallies.apply(txn, mailbox_id, bucket, change, modseq)
