"""Recovered, mailbox id 0: what was expunged, in order of expunging, until its days are over.

Owns its rows. M of id 0, f and c are those of any mailbox, so that it is looked at, counted and resynchronised as one;
r says where a message lay, and there its m stays (``mail_rows`` finds it); p leads from there to r. All of them die
with the message's bucket. Outside the quota. Under which name clients see it is ``mailbox/recovered``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xtramail.model.bucket import Bucket
from xtramail.model.flags import MAX_KEYWORDS, Flag
from xtramail.store import keys, tallies
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mail_rows import Found, delete_message, locate, message_row, origin_of, put_flags, size_of
from xtramail.store.mailbox_rows import (
    keyword_ids,
    keyword_names,
    mailbox_by_id,
    put_mailbox,
    require,
    touched,
    with_uids,
)
from xtramail.store.message_row import MessageRow
from xtramail.store.records import FlagRow, MailboxRow, Recoverable, decode, encode, encode_number
from xtramail.store.tallies import CounterChange
from xtramail.store.transfers import copy
from xtramail.store.uids import take_uids
from xtramail.store.user_clock import next_modseq, next_uidvalidity

NAME = "Recovered"


def recovered(snap: Snapshot) -> MailboxRow | None:
    """The mailbox's own row; None for a user who has none yet (:func:`ensure`)."""
    return mailbox_by_id(snap, keys.RECOVERED)


def ensure(txn: Txn, now: float) -> MailboxRow:
    """The mailbox's own row, made where it is missing."""
    row = recovered(txn)
    if row is None:
        row = MailboxRow(
            id=keys.RECOVERED,
            name=NAME,
            uidvalidity=next_uidvalidity(txn, now),
            uidnext=1,
            highestmodseq=next_modseq(txn, keys.micros(now)),
            first_recent=1,
        )
        put_mailbox(txn, row)
    return row


def keep(
    txn: Txn,
    mailbox: MailboxRow,
    leaving: Sequence[Found],
    sizes: Mapping[int, int],
    *,
    by: str,
    now: float,
    taken: bool = False,
) -> None:
    """Take in messages that are about to be expunged from ``mailbox``, ascending; ``sizes`` by UID.

    \\Deleted stays behind: it is why they came. Keywords beyond the 64 that a mailbox has are lost.
    """
    row = ensure(txn, now)
    modseq = next_modseq(txn, keys.micros(now))
    first, uidnext = take_uids(row, len(leaving))
    keywords = _keywords(txn, mailbox.id, leaving)
    ranges = row.buckets
    changes: dict[Bucket, CounterChange] = {}
    for number, found in enumerate(leaving, first):
        flags = FlagRow(
            modseq=modseq,
            flags=found.row.flags & ~Flag.DELETED,
            keywords=tuple(sorted(keywords[one] for one in found.row.keywords if one in keywords)),
            savedate=max(int(now), 0),
        )
        origin = Recoverable(
            mailbox=mailbox.id,
            uid=found.uid,
            flags=found.row.flags,
            expunged_at=now,
            by=by,
            mailbox_name=mailbox.name,
            taken=taken,
        )
        put_flags(txn, keys.RECOVERED, found.bucket, number, flags)
        txn.put(found.bucket, keys.recoverable(number), encode(origin))
        txn.put(found.bucket, keys.recovered_place(mailbox.id, found.uid), encode_number(number))
        changes.setdefault(found.bucket, CounterChange()).arrive(flags.flags, sizes.get(found.uid, 0))
        ranges = with_uids(ranges, found.bucket, number, number)
    for bucket, change in changes.items():
        tallies.apply(txn, keys.RECOVERED, bucket, change, modseq)
    # Nothing is \Recent in it: no session may take that off in a mailbox that is read-only.
    touched(txn, row, modseq, uidnext=uidnext, first_recent=uidnext, buckets=ranges)


def _keywords(txn: Txn, mailbox_id: int, leaving: Sequence[Found]) -> dict[int, int]:
    """The mailbox's keyword ids in Recovered, as far as there is room for their names."""
    used = sorted({number for found in leaving for number in found.row.keywords})
    if not used:
        return {}
    names = keyword_names(txn, mailbox_id)
    known = {name.lower() for name in keyword_names(txn, keys.RECOVERED)}
    table: dict[int, int] = {}
    for number in used:
        name = names[number]
        if name.lower() not in known and len(known) >= MAX_KEYWORDS:
            continue
        known.add(name.lower())
        table[number] = keyword_ids(txn, keys.RECOVERED, [name])[0]
    return table


def recoverables(snap: Snapshot) -> list[tuple[Bucket, int, Recoverable]]:
    """Bucket, UID in Recovered, and row of everything expunged that can still be had, in order of expunging."""
    high = keys.after(keys.RECOVERABLES)
    row = recovered(snap)
    dropped = snap.dropped()
    found = [
        (bucket, keys.recoverable_number(key), decode(value, Recoverable))
        for bucket, _, _ in (row.buckets if row is not None else ())
        if bucket not in dropped
        for key, value in snap.range(bucket, keys.RECOVERABLES, high)
    ]
    return sorted(found, key=lambda entry: entry[1])


def rows_of(snap: Snapshot, row: MailboxRow, uids: Iterable[int]) -> list[tuple[int, MessageRow | None]]:
    """Those of ``uids`` that are there, ascending, with their message rows (None: damaged)."""
    return [
        (found.uid, message_row(snap, keys.RECOVERED, found.bucket, found.uid)) for found in locate(snap, row, uids)
    ]


def restore(txn: Txn, target: int, uids: Iterable[int], now: float) -> list[tuple[int, int]]:
    """Put messages of Recovered into the mailbox ``target``: the old and the new UID of each, ascending.

    As ``transfers.copy``, and what is restored is recoverable no more: it leaves Recovered. Raises as copy does.
    """
    placed = copy(txn, keys.RECOVERED, target, uids, now)
    remove(txn, [uid for uid, _ in placed], now)
    return placed


def remove(txn: Txn, uids: Iterable[int], now: float) -> list[MessageRow]:
    """Delete every row of these messages of Recovered but the body; the message rows of those that were there."""
    row = recovered(txn)
    present = locate(txn, row, uids) if row is not None else []
    if row is None or not present:
        return []
    modseq = next_modseq(txn, keys.micros(now))
    gone: list[MessageRow] = []
    changes: dict[Bucket, CounterChange] = {}
    for found in present:
        size = size_of(txn, keys.RECOVERED, found.bucket, found.uid)
        changes.setdefault(found.bucket, CounterChange()).leave(found.row.flags, size)
        origin = origin_of(txn, found.bucket, found.uid)
        message = message_row(txn, origin.mailbox, found.bucket, origin.uid) if origin is not None else None
        if origin is not None:
            txn.delete(found.bucket, keys.recovered_place(origin.mailbox, origin.uid))
        if origin is not None and message is not None:
            delete_message(txn, origin.mailbox, found.bucket, origin.uid, message)
            gone.append(message)
        txn.delete(found.bucket, keys.flags(keys.RECOVERED, found.uid))
        txn.delete(found.bucket, keys.recoverable(found.uid))
    for bucket, change in changes.items():
        tallies.apply(txn, keys.RECOVERED, bucket, change, modseq)
    touched(txn, require(txn, keys.RECOVERED), modseq)
    return gone
