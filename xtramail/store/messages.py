"""Messages of one user: adding them, looking at them. Flags, COPY and MOVE, and expunge are named here and live beside.

A mailbox is read bucket by bucket: :func:`counters` says which bucket changed, :func:`bucket_look` reads one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from xtramail.model.bucket import Bucket
from xtramail.store import keys, tallies
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.flag_changes import FlagMode as FlagMode
from xtramail.store.flag_changes import Stored as Stored
from xtramail.store.flag_changes import store_flags as store_flags
from xtramail.store.mail_rows import flag_row as flag_row
from xtramail.store.mail_rows import flag_rows, put_flags, put_message
from xtramail.store.mail_rows import message_row as message_row
from xtramail.store.mail_rows import message_rows as message_rows
from xtramail.store.mail_rows import message_values as message_values
from xtramail.store.mailbox_rows import highest_modseq as highest_modseq
from xtramail.store.mailbox_rows import keyword_ids, live_buckets, mailboxes, require, touched, with_uids
from xtramail.store.message_row import MessageRow
from xtramail.store.records import FlagRow, MailboxRow, decode_counters, decode_message_id
from xtramail.store.recovered import recoverables as recoverables
from xtramail.store.recovered import restore as restore
from xtramail.store.removals import expunge as expunge
from xtramail.store.tallies import CounterChange
from xtramail.store.tallies import counters as counters
from xtramail.store.transfers import copy as copy
from xtramail.store.transfers import copy_between as copy_between
from xtramail.store.transfers import move as move
from xtramail.store.transfers import move_between as move_between
from xtramail.store.uids import take_uids
from xtramail.store.user_clock import next_modseq

MAX_REFERENCES = 16
"""References looked up for a thread, the nearest ones: each costs a seek in every live bucket."""


class NewMessage(msgspec.Struct, frozen=True):
    """``references``: Message-IDs this one answers, oldest first, In-Reply-To behind them; they find its thread."""

    row: MessageRow
    flags: int = 0
    keywords: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class Added(msgspec.Struct, frozen=True):
    """Where a message is now (APPENDUID is ``uidvalidity`` and ``uid``)."""

    uid: int
    modseq: int
    uidvalidity: int
    mailbox_id: int


class BucketLook(msgspec.Struct, frozen=True):
    """One mailbox in one bucket: what is there, by UID, as of ``modseq``."""

    bucket: Bucket
    modseq: int
    rows: list[tuple[int, FlagRow]]


def add(txn: Txn, mailbox_id: int, bucket: Bucket, message: NewMessage, now: float) -> Added:
    """Put a message into a mailbox: m, f, i, its share of c, and the mailbox's own row.

    ``bucket`` is the body's: chosen once, at the message's first octet. Quota is the caller's to check
    (``tallies.check_quota``): mail on its way to a primary is kept beyond it. Raises NoSuchMailbox, LimitReached,
    NoSuchMessage when the bucket was dropped meanwhile.
    """
    row = message.row
    if row.body.bucket != bucket:
        raise ValueError("a message row lives in the bucket of its body")
    mailbox = require(txn, mailbox_id)
    if row.thread_id == 0:
        row = row.with_thread(thread_of(txn, message.references) or row.object_id)
    uid, uidnext = take_uids(mailbox, 1)
    keywords = keyword_ids(txn, mailbox_id, message.keywords) if message.keywords else ()
    modseq = next_modseq(txn, keys.micros(now))
    flags = FlagRow(modseq=modseq, flags=int(message.flags), keywords=keywords, savedate=max(int(now), 0))
    put_message(txn, mailbox_id, bucket, uid, row)
    put_flags(txn, mailbox_id, bucket, uid, flags)
    change = CounterChange()
    change.arrive(flags.flags, row.size)
    tallies.apply(txn, mailbox_id, bucket, change, modseq)
    touched(txn, mailbox, modseq, uidnext=uidnext, buckets=with_uids(mailbox.buckets, bucket, uid, uid))
    return Added(uid=uid, modseq=modseq, uidvalidity=mailbox.uidvalidity, mailbox_id=mailbox_id)


def thread_of(snap: Snapshot, references: Iterable[str]) -> int:
    """Thread id of the nearest of ``references`` that the user has or had, 0 when it has none of them."""
    nearest = list(dict.fromkeys(reversed(list(references))))[:MAX_REFERENCES]
    if not nearest:
        return 0
    buckets = live_buckets(snap)
    for text in nearest:
        low = keys.message_id_prefix(text)
        for bucket in reversed(buckets):
            found = snap.range(bucket, low, keys.after(low), limit=1)
            if found:
                return decode_message_id(found[0][1])[1]
    return 0


def by_message_id(snap: Snapshot, text: str) -> list[tuple[Bucket, int, int, int]]:
    """Bucket, mailbox id, UID and object id of every message with this Message-ID that is not expunged."""
    low = keys.message_id_prefix(text)
    high = keys.after(low)
    found: list[tuple[Bucket, int, int, int]] = []
    for bucket in live_buckets(snap):
        for key, value in snap.range(bucket, low, high):
            mailbox_id, uid = keys.message_id_place(key)
            if flag_row(snap, mailbox_id, bucket, uid) is not None:
                found.append((bucket, mailbox_id, uid, decode_message_id(value)[0]))
    return found


def came_before(snap: Snapshot, text: str, *, apart_from: Collection[str]) -> bool:
    """Whether a message with this Message-ID ever was in a mailbox, but for those of the named special uses.

    Expunged or not, as long as its day lives. Never for an empty Message-ID.
    """
    if not text:
        return False
    ignored = {row.id for row in mailboxes(snap) if row.special_use in apart_from}
    low = keys.message_id_prefix(text)
    high = keys.after(low)
    return any(
        keys.message_id_place(key)[0] not in ignored
        for bucket in live_buckets(snap)
        for key, _ in snap.range(bucket, low, high)
    )


def bucket_look(snap: Snapshot, mailbox_id: int, bucket: Bucket) -> BucketLook:
    """All messages of a mailbox in one bucket; empty when the bucket is dropped."""
    tally = decode_counters(snap.get(bucket, keys.counters(mailbox_id)))
    return BucketLook(
        bucket=bucket, modseq=tally.modseq, rows=flag_rows(snap, mailbox_id, bucket, 0, 0xFFFF_FFFF)
    )


def uids(snap: Snapshot, mailbox: MailboxRow) -> list[int]:
    """UIDs of every message that is there, ascending; what is missing between 1 and UIDNEXT has VANISHED."""
    low, high = keys.flags(mailbox.id, 0), keys.flags(mailbox.id, 0xFFFF_FFFF)
    return sorted(
        uid
        for bucket in counters(snap, mailbox)
        for uid in keys.uids_of([key for key, _ in snap.range(bucket, low, high)])
    )
