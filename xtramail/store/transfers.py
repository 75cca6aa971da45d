"""COPY and MOVE (RFC 9051 §6.4.7, §6.4.8): new f and m rows in the source's bucket, one body for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace as replace_found

from msgspec.structs import replace

from xtramail.model.bucket import Bucket
from xtramail.store import keys, tallies
from xtramail.store.engine import Txn
from xtramail.store.mail_rows import Found, delete_message, locate, message_row, put_flags, put_message
from xtramail.store.mailbox_rows import keyword_ids, keyword_names, require, touched, with_uids
from xtramail.store.message_row import MessageRow
from xtramail.store.tallies import CounterChange
from xtramail.store.uids import take_uids
from xtramail.store.user_clock import next_modseq

Carried = list[tuple[Found, MessageRow]]


def copy(txn: Txn, source: int, target: int, uids: Iterable[int], now: float) -> list[tuple[int, int]]:
    """Old and new UID of each message copied, ascending; flags are kept, the save date is ``now``.

    All or nothing: OverQuota when the copies do not fit, NoSuchMailbox (the edge adds TRYCREATE), LimitReached. UIDs
    that are not there are passed over (RFC 9051 §6.4.9).
    """
    carried = _carried(txn, source, uids)
    require(txn, target)
    if not carried:
        return []
    tallies.check_quota(txn, sum(row.size for _, row in carried))
    modseq = next_modseq(txn, keys.micros(now))
    placed, changes = _place(txn, source, target, carried, modseq, now)
    tallies.apply_all(txn, changes, modseq)
    return placed


def move(txn: Txn, source: int, target: int, uids: Iterable[int], now: float) -> list[tuple[int, int]]:
    """As :func:`copy`, and the source's rows are gone: they are no deletion, so nothing of them is recoverable.

    Quota is not asked: the user holds what it held. A move within one mailbox gives new UIDs.
    """
    carried = _carried(txn, source, uids)
    require(txn, target)
    if not carried:
        return []
    modseq = next_modseq(txn, keys.micros(now))
    placed, changes = _place(txn, source, target, carried, modseq, now)
    for found, row in carried:
        txn.delete(found.bucket, keys.flags(source, found.uid))
        delete_message(txn, source, found.bucket, found.uid, row)
        changes.setdefault((source, found.bucket), CounterChange()).leave(found.row.flags, row.size)
    tallies.apply_all(txn, changes, modseq)
    touched(txn, require(txn, source), modseq)
    return placed


def _carried(txn: Txn, source: int, uids: Iterable[int]) -> Carried:
    mailbox = require(txn, source)
    rows = ((found, message_row(txn, source, found.bucket, found.uid)) for found in locate(txn, mailbox, uids))
    return [(found, row) for found, row in rows if row is not None]


def _place(
    txn: Txn, source: int, target: int, carried: Sequence[tuple[Found, MessageRow]], modseq: int, now: float
) -> tuple[list[tuple[int, int]], dict[tuple[int, Bucket], CounterChange]]:
    """Pairs of old and new UID, and what is still to be counted."""
    carried = _with_target_keywords(txn, source, target, carried)
    mailbox = require(txn, target)
    first, uidnext = take_uids(mailbox, len(carried))
    ranges = mailbox.buckets
    changes: dict[tuple[int, Bucket], CounterChange] = {}
    placed: list[tuple[int, int]] = []
    for uid, (found, row) in enumerate(carried, first):
        put_flags(txn, target, found.bucket, uid, replace(found.row, modseq=modseq, savedate=int(now)))
        put_message(txn, target, found.bucket, uid, row)
        changes.setdefault((target, found.bucket), CounterChange()).arrive(found.row.flags, row.size)
        ranges = with_uids(ranges, found.bucket, uid, uid)
        placed.append((found.uid, uid))
    touched(txn, mailbox, modseq, uidnext=uidnext, buckets=ranges)
    return placed, changes


def _with_target_keywords(
    txn: Txn, source: int, target: int, carried: Sequence[tuple[Found, MessageRow]]
) -> Sequence[tuple[Found, MessageRow]]:
    used = sorted({number for found, _ in carried for number in found.row.keywords})
    if not used or source == target:
        return carried
    names = keyword_names(txn, source)
    table = {number: keyword_ids(txn, target, [names[number]])[0] for number in used}
    return [
        (
            replace_found(
                found,
                row=replace(found.row, keywords=tuple(sorted(table[number] for number in found.row.keywords))),
            ),
            row,
        )
        for found, row in carried
    ]
