"""COPY and MOVE (RFC 9051 §6.4.7, §6.4.8): new f and m rows in the source's bucket, one body for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from xtramail.model.bucket import Bucket
from xtramail.store import keys, tallies
from xtramail.store.engine import Txn
from xtramail.store.mail_rows import NOWHERE, Found, delete_message, locate, message_row, put_flags, put_message
from xtramail.store.mailbox_rows import keyword_ids, keyword_names, require, touched, with_uids
from xtramail.store.message_row import MessageRow
from xtramail.store.records import MailboxRow
from xtramail.store.tallies import CounterChange
from xtramail.store.uids import take_uids
from xtramail.store.user_clock import next_modseq

Carried = list[tuple[Found, MessageRow]]


class Moved(msgspec.Struct, frozen=True):
    """What a MOVE did: pairs of old and new UID, ascending, and the source's own row before and after it."""

    pairs: Sequence[tuple[int, int]]
    rows: tuple[MailboxRow, MailboxRow]


def copy(txn: Txn, source: int, target: int, uids: Iterable[int], now: float) -> list[tuple[int, int]]:
    """Old and new UID of each message copied, ascending; flags are kept, the save date is ``now``.

    All or nothing: OverQuota when the copies do not fit, NoSuchMailbox (the edge adds TRYCREATE), LimitReached. UIDs
    that are not there are passed over (RFC 9051 §6.4.9).
    """
    return copy_between(txn, require(txn, source), require(txn, target), uids, now)


def copy_between(
    txn: Txn,
    source: MailboxRow,
    target: MailboxRow,
    uids: Iterable[int],
    now: float,
    homes: Mapping[int, Bucket] = NOWHERE,
) -> list[tuple[int, int]]:
    """:func:`copy`, for who has read the mailboxes' own rows already; ``homes`` as ``locate`` has it."""
    carried = _carried(txn, source, uids, homes)
    if not carried:
        return []
    tallies.check_quota(txn, sum(row.size for _, row in carried))
    modseq = next_modseq(txn, keys.micros(now))
    placed, changes, _ = _place(txn, source.id, target, carried, modseq, now)
    tallies.apply_all(txn, changes, modseq)
    return placed


def move(txn: Txn, source: int, target: int, uids: Iterable[int], now: float) -> list[tuple[int, int]]:
    """As :func:`copy`, and the source's rows are gone: they are no deletion, so nothing of them is recoverable.

    Quota is not asked: the user holds what it held. A move within one mailbox gives new UIDs.
    """
    return list(move_between(txn, require(txn, source), require(txn, target), uids, now).pairs)


def move_between(
    txn: Txn,
    source: MailboxRow,
    target: MailboxRow,
    uids: Iterable[int],
    now: float,
    homes: Mapping[int, Bucket] = NOWHERE,
) -> Moved:
    """:func:`move`, for who has read the mailboxes' own rows already; ``homes`` as ``locate`` has it."""
    carried = _carried(txn, source, uids, homes)
    if not carried:
        return Moved(pairs=[], rows=(source, source))
    modseq = next_modseq(txn, keys.micros(now))
    placed, changes, filled = _place(txn, source.id, target, carried, modseq, now)
    for found, row in carried:
        txn.delete(found.bucket, keys.flags(source.id, found.uid))
        delete_message(txn, source.id, found.bucket, found.uid, row)
        changes.setdefault((source.id, found.bucket), CounterChange()).leave(found.row.flags, row.size)
    tallies.apply_all(txn, changes, modseq)
    # Within one mailbox that row is written already.
    emptied = filled if target.id == source.id else touched(txn, source, modseq)
    return Moved(pairs=placed, rows=(source, emptied))


def _carried(txn: Txn, source: MailboxRow, uids: Iterable[int], homes: Mapping[int, Bucket]) -> Carried:
    present = locate(txn, source, uids, homes)
    rows = ((found, message_row(txn, source.id, found.bucket, found.uid)) for found in present)
    return [(found, row) for found, row in rows if row is not None]


def _place(
    txn: Txn, source: int, into: MailboxRow, carried: Sequence[tuple[Found, MessageRow]], modseq: int, now: float
) -> tuple[list[tuple[int, int]], dict[tuple[int, Bucket], CounterChange], MailboxRow]:
    """Pairs of old and new UID, what is still to be counted, and the target's own row as it is now."""
    target = into.id
    carried = _with_target_keywords(txn, source, target, carried)
    first, uidnext = take_uids(into, len(carried))
    ranges = into.buckets
    changes: dict[tuple[int, Bucket], CounterChange] = {}
    placed: list[tuple[int, int]] = []
    for uid, (found, row) in enumerate(carried, first):
        put_flags(txn, target, found.bucket, uid, replace(found.row, modseq=modseq, savedate=int(now)))
        put_message(txn, target, found.bucket, uid, row)
        changes.setdefault((target, found.bucket), CounterChange()).arrive(found.row.flags, row.size)
        ranges = with_uids(ranges, found.bucket, uid, uid)
        placed.append((found.uid, uid))
    return placed, changes, touched(txn, into, modseq, uidnext=uidnext, buckets=ranges)


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
            found._replace(
                row=replace(found.row, keywords=tuple(sorted(table[number] for number in found.row.keywords))),
            ),
            row,
        )
        for found, row in carried
    ]
