"""Counters (c): how much one mailbox holds in one bucket, dying with the bucket, so that quota corrects itself."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.bucket import Bucket
from xtramail.model.errors import OverQuota
from xtramail.model.flags import Flag
from xtramail.store import keys
from xtramail.store.accounts import get_account
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mailbox_rows import highest_modseq, live_buckets, live_ranges
from xtramail.store.records import Counters, MailboxRow, decode_counters, encode_counters


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """What STATUS tells (RFC 9051 §6.3.11); ``size`` in octets, the sum of RFC822.SIZE."""

    messages: int
    unseen: int
    deleted: int
    size: int
    uidnext: int
    uidvalidity: int
    highestmodseq: int


@dataclass(slots=True)
class CounterChange:
    """What one transaction does to one mailbox in one bucket, summed up before it is written."""

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    bytes: int = 0

    def arrive(self, flags: int, size: int) -> None:
        self.messages += 1
        self.unseen += not flags & Flag.SEEN
        self.deleted += bool(flags & Flag.DELETED)
        self.bytes += size

    def leave(self, flags: int, size: int) -> None:
        self.messages -= 1
        self.unseen -= not flags & Flag.SEEN
        self.deleted -= bool(flags & Flag.DELETED)
        self.bytes -= size

    def reflag(self, old: int, new: int) -> None:
        self.unseen += bool(old & Flag.SEEN) - bool(new & Flag.SEEN)
        self.deleted += bool(new & Flag.DELETED) - bool(old & Flag.DELETED)


def apply(txn: Txn, mailbox_id: int, bucket: Bucket, change: CounterChange, modseq: int) -> None:
    """Add ``change`` to the stored counters, and say when it happened."""
    key = keys.counters(mailbox_id)
    row = decode_counters(txn.get(bucket, key))
    messages = max(row.messages + change.messages, 0)
    fresh = Counters(
        messages=messages,
        unseen=max(row.unseen + change.unseen, 0),
        deleted=max(row.deleted + change.deleted, 0),
        # An empty mailbox holds no octets, even if the size of a damaged row could not be taken off.
        bytes=max(row.bytes + change.bytes, 0) if messages else 0,
        modseq=modseq,
    )
    txn.put(bucket, key, encode_counters(fresh))


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


def count_recent(snap: Snapshot, row: MailboxRow) -> int:
    """How many messages no session has been told as \\Recent yet."""
    low, high = keys.flags(row.id, row.first_recent), keys.flags(row.id, row.uidnext)
    return sum(
        len(snap.range(bucket, low, high)) for bucket, _, last in live_ranges(snap, row) if last >= row.first_recent
    )


def used_bytes(snap: Snapshot) -> int:
    """Octets of all mailboxes; expunged mail is outside the quota."""
    first, end = keys.counters(keys.RECOVERED + 1), keys.after(keys.COUNTERS)
    return sum(
        decode_counters(value).bytes
        for bucket in live_buckets(snap)
        for _, value in snap.range(bucket, first, end)
    )


def check_quota(snap: Snapshot, more: int) -> None:
    """OverQuota when ``more`` octets do not fit; an account with quota 0 has no limit of its own."""
    account = get_account(snap)
    if account is not None and account.quota and used_bytes(snap) + more > account.quota:
        raise OverQuota
