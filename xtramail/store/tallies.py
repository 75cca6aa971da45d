"""Counters (c): how much one mailbox holds in one bucket, dying with the bucket, so that quota corrects itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from xtramail.model.bucket import Bucket
from xtramail.model.errors import OverQuota
from xtramail.model.flags import Flag
from xtramail.store import keys, usage
from xtramail.store.accounts import get_account
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mailbox_rows import highest_modseq, live_ranges
from xtramail.store.records import Counters, MailboxRow, decode_counters, encode_counters

# Bare numbers: an operator of an enumeration costs a microsecond, and a STORE of many has six for each message.
_SEEN, _DELETED = int(Flag.SEEN), int(Flag.DELETED)
COUNTED = _SEEN | _DELETED
"""The flags that counters tell of."""


class MailboxStatus(msgspec.Struct, frozen=True):
    """What STATUS tells (RFC 9051 §6.3.11); ``size`` in octets, the sum of RFC822.SIZE."""

    messages: int
    unseen: int
    deleted: int
    size: int
    uidnext: int
    uidvalidity: int
    highestmodseq: int


class CounterChange(msgspec.Struct):
    """What one transaction does to one mailbox in one bucket, summed up before it is written."""

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    bytes: int = 0

    def arrive(self, flags: int, size: int) -> None:
        self.messages += 1
        self.unseen += not flags & _SEEN
        self.deleted += bool(flags & _DELETED)
        self.bytes += size

    def leave(self, flags: int, size: int) -> None:
        self.messages -= 1
        self.unseen -= not flags & _SEEN
        self.deleted -= bool(flags & _DELETED)
        self.bytes -= size

    def reflag(self, old: int, new: int) -> None:
        self.unseen += bool(old & _SEEN) - bool(new & _SEEN)
        self.deleted += bool(new & _DELETED) - bool(old & _DELETED)


def apply(txn: Txn, mailbox_id: int, bucket: Bucket, change: CounterChange, modseq: int) -> None:
    """Add ``change`` to the stored counters, and say when it happened."""
    apply_all(txn, {(mailbox_id, bucket): change}, modseq)


def apply_all(txn: Txn, changes: Mapping[tuple[int, Bucket], CounterChange], modseq: int) -> None:
    """:func:`apply` for several, by mailbox and bucket.

    Counted together, what moves from one mailbox to another does not change how much the user holds.
    """
    grown: dict[Bucket, int] = {}
    for (mailbox_id, bucket), change in changes.items():
        key = keys.counters(mailbox_id)
        old = decode_counters(txn.get(bucket, key))
        messages = max(old.messages + change.messages, 0)
        fresh = Counters(
            messages=messages,
            unseen=max(old.unseen + change.unseen, 0),
            deleted=max(old.deleted + change.deleted, 0),
            # An empty mailbox holds no octets, even if the size of a damaged row could not be taken off.
            bytes=max(old.bytes + change.bytes, 0) if messages else 0,
            modseq=modseq,
        )
        txn.put(bucket, key, encode_counters(fresh))
        if mailbox_id != keys.RECOVERED:
            grown[bucket] = grown.get(bucket, 0) + fresh.bytes - old.bytes
    usage.add(txn, grown)


def forget(txn: Txn, row: MailboxRow) -> None:
    """Delete the counters of a mailbox that goes."""
    for bucket, _, _ in live_ranges(txn, row):
        txn.delete(bucket, keys.counters(row.id))
    usage.recount_later(txn)


def counters(snap: Snapshot, row: MailboxRow) -> dict[Bucket, Counters]:
    """Counters of each live bucket, ascending: one get each. A bucket with the same ``modseq`` did not change."""
    key = keys.counters(row.id)
    return {bucket: decode_counters(snap.get(bucket, key)) for bucket, _, _ in live_ranges(snap, row)}


def status(snap: Snapshot, row: MailboxRow) -> MailboxStatus:
    """Sums over the live buckets."""
    tallies = counters(snap, row).values()
    return MailboxStatus(
        messages=sum(tally.messages for tally in tallies),
        unseen=sum(tally.unseen for tally in tallies),
        deleted=sum(tally.deleted for tally in tallies),
        size=sum(tally.bytes for tally in tallies),
        uidnext=row.uidnext,
        uidvalidity=row.uidvalidity,
        highestmodseq=highest_modseq(snap, row),
    )


def count_recent(snap: Snapshot, row: MailboxRow, told_below: int = 0) -> int:
    """How many messages no session has been told as \\Recent yet; those under UID ``told_below`` were, lately."""
    first = max(row.first_recent, told_below)
    low, high = keys.flags(row.id, first), keys.flags(row.id, row.uidnext)
    return sum(len(snap.range(bucket, low, high)) for bucket, _, last in live_ranges(snap, row) if last >= first)


def check_quota(snap: Snapshot, more: int) -> None:
    """OverQuota when ``more`` octets do not fit; an account with quota 0 has no limit of its own."""
    account = get_account(snap)
    if account is not None and account.quota and usage.used_bytes(snap) + more > account.quota:
        raise OverQuota
