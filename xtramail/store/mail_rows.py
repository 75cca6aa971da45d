"""The rows of one message in one mailbox (f, m, n, i): writing, reading and finding them. Counters are ``tallies``'.

A message of Recovered has no m, n and i of its own: its row r says where they lie.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from xtramail.model.bucket import Bucket
from xtramail.model.errors import Corrupt
from xtramail.store import keys
from xtramail.store.engine import MAX_VALUE, Snapshot, Txn
from xtramail.store.mailbox_rows import live_ranges
from xtramail.store.message_row import MessageRow, size_in
from xtramail.store.records import (
    FlagRow,
    MailboxRow,
    Recoverable,
    decode,
    decode_flags,
    decode_number,
    decode_sealed_flags,
    encode_flags,
    encode_message_id,
)

PIECE = MAX_VALUE - 512
"""Octets of a message row in one value; the rest lies in overflow rows."""

_DENSE = 4
"""UIDs are read as one range when at least one in so many is wanted."""

_SPARSE = 16
"""From this many wanted UIDs in a bucket on, one range read is cheaper than gets."""


class Found(NamedTuple):
    """A message that is there."""

    bucket: Bucket
    uid: int
    row: FlagRow


_by_uid = attrgetter("uid")


def put_flags(txn: Txn, mailbox_id: int, bucket: Bucket, uid: int, row: FlagRow) -> None:
    txn.put(bucket, keys.flags(mailbox_id, uid), encode_flags(row))


def put_message(txn: Txn, mailbox_id: int, bucket: Bucket, uid: int, row: MessageRow) -> None:
    """m, its overflow, and the look-up by Message-ID."""
    value = row.encoded
    txn.put(bucket, keys.message(mailbox_id, uid), value[:PIECE])
    for piece, start in enumerate(range(PIECE, len(value), PIECE)):
        txn.put(bucket, keys.message_overflow(mailbox_id, uid, piece), value[start : start + PIECE])
    if message_id := row.message_id:
        place = keys.message_id(message_id, mailbox_id, uid)
        txn.put(bucket, place, encode_message_id(row.object_id, row.thread_id))


def delete_message(txn: Txn, mailbox_id: int, bucket: Bucket, uid: int, row: MessageRow) -> None:
    """Everything that :func:`put_message` wrote."""
    txn.delete(bucket, keys.message(mailbox_id, uid))
    if len(row.encoded) > PIECE:
        low, high = keys.message_overflow(mailbox_id, uid, 0), keys.message_overflow(mailbox_id, uid + 1, 0)
        txn.delete_range(bucket, low, high)
    if message_id := row.message_id:
        txn.delete(bucket, keys.message_id(message_id, mailbox_id, uid))


def message_row(snap: Snapshot, mailbox_id: int, bucket: Bucket, uid: int) -> MessageRow | None:
    """The immutable row, also of an expunged message; None when there is none or it is damaged."""
    if mailbox_id == keys.RECOVERED:
        return _recovered_row(snap, bucket, uid)
    try:
        value = snap.get(bucket, keys.message(mailbox_id, uid))
    except Corrupt:
        return None
    return _whole(snap, mailbox_id, bucket, uid, value) if value is not None else None


def message_values(snap: Snapshot, mailbox_id: int, bucket: Bucket, uids: Sequence[int]) -> list[bytes | None]:
    """Encoded rows of ``uids`` (ascending) in one bucket, with octets behind them that are not theirs.

    As :func:`message_rows`, for listings (``message_row.listed``). None for what is damaged or not there.
    """
    low, high = uids[0], uids[-1]
    values: list[bytes | None]
    if mailbox_id == keys.RECOVERED:
        rows = dict(_recovered_rows(snap, bucket, low, high))
        return [row.encoded if (row := rows.get(uid)) is not None else None for uid in uids]
    if len(uids) > _SPARSE and high - low < _DENSE * len(uids):
        found = snap.sealed(bucket, keys.message(mailbox_id, low), keys.message(mailbox_id, high) + b"\0")
        values = [value for _, value in found]
        there = keys.uids_of([key for key, _ in found])
        if there != tuple(uids):
            known = dict(zip(there, values, strict=True))
            values = [known.get(uid) for uid in uids]
    else:
        values = snap.sealed_at(bucket, [keys.message(mailbox_id, uid) for uid in uids])
    for at, value in enumerate(values):
        if value is not None and len(value) >= PIECE:
            row = message_row(snap, mailbox_id, bucket, uids[at])
            values[at] = row.encoded if row is not None else None
    return values


def message_rows(
    snap: Snapshot, mailbox_id: int, bucket: Bucket, low: int, high: int
) -> list[tuple[int, MessageRow]]:
    """Rows of UIDs ``low`` to ``high`` (both included) in one bucket, ascending; those of expunged messages too."""
    if mailbox_id == keys.RECOVERED:
        return _recovered_rows(snap, bucket, low, high)
    found = snap.range(bucket, keys.message(mailbox_id, low), keys.message(mailbox_id, high) + b"\0")
    uids = keys.uids_of([key for key, _ in found])
    decoded = MessageRow.decoded
    rows: list[tuple[int, MessageRow]] = []
    for uid, (_, value) in zip(uids, found, strict=True):
        if len(value) < PIECE:
            rows.append((uid, decoded(value)))
        elif (row := _whole(snap, mailbox_id, bucket, uid, value)) is not None:
            rows.append((uid, row))
    return rows


def _whole(snap: Snapshot, mailbox_id: int, bucket: Bucket, uid: int, value: bytes) -> MessageRow | None:
    if len(value) < PIECE:
        return MessageRow.decoded(value)
    low, high = keys.message_overflow(mailbox_id, uid, 0), keys.message_overflow(mailbox_id, uid + 1, 0)
    row = MessageRow.decoded(value + b"".join(piece for _, piece in snap.range(bucket, low, high)))
    return row if row.complete else None


def origin_of(snap: Snapshot, bucket: Bucket, number: int) -> Recoverable | None:
    """Where the rows of a message of Recovered lie; None when there is none or its row is damaged."""
    try:
        value = snap.get(bucket, keys.recoverable(number))
    except Corrupt:
        return None
    return decode(value, Recoverable) if value is not None else None


def recoverable_at(snap: Snapshot, bucket: Bucket, mailbox_id: int, uid: int) -> tuple[int, Recoverable] | None:
    """Of the expunged message that lay there: its UID in Recovered, and its row. None when Recovered has it not.

    Two reads, however many others were expunged.
    """
    try:
        value = snap.get(bucket, keys.recovered_place(mailbox_id, uid))
    except Corrupt:
        value = None
    if value is not None:
        number = decode_number(value)
        origin = origin_of(snap, bucket, number)
        if origin is not None and (origin.mailbox, origin.uid) == (mailbox_id, uid):
            return number, origin
    # Damaged, or expunged when no place was written yet.
    for key, row in snap.range(bucket, keys.RECOVERABLES, keys.after(keys.RECOVERABLES)):
        origin = decode(row, Recoverable)
        if (origin.mailbox, origin.uid) == (mailbox_id, uid):
            return keys.recoverable_number(key), origin
    return None


def _recovered_row(snap: Snapshot, bucket: Bucket, number: int) -> MessageRow | None:
    origin = origin_of(snap, bucket, number)
    return message_row(snap, origin.mailbox, bucket, origin.uid) if origin is not None else None


def _recovered_rows(snap: Snapshot, bucket: Bucket, low: int, high: int) -> list[tuple[int, MessageRow]]:
    rows: list[tuple[int, MessageRow]] = []
    for key, value in snap.range(bucket, keys.recoverable(low), keys.recoverable(high) + b"\0"):
        origin = decode(value, Recoverable)
        row = message_row(snap, origin.mailbox, bucket, origin.uid)
        if row is not None:
            rows.append((keys.recoverable_number(key), row))
    return rows


def size_of(snap: Snapshot, mailbox_id: int, bucket: Bucket, uid: int) -> int:
    """RFC822.SIZE; 0 when the row is damaged."""
    if mailbox_id == keys.RECOVERED:
        row = _recovered_row(snap, bucket, uid)
        return row.size if row is not None else 0
    try:
        value = snap.get(bucket, keys.message(mailbox_id, uid))
    except Corrupt:
        return 0
    return size_in(value) if value is not None else 0


def flag_rows(snap: Snapshot, mailbox_id: int, bucket: Bucket, low: int, high: int) -> list[tuple[int, FlagRow]]:
    """Messages with UIDs ``low`` to ``high`` (both included) that are there, ascending."""
    found = snap.range(bucket, keys.flags(mailbox_id, low), keys.flags(mailbox_id, high) + b"\0")
    uids = keys.uids_of([key for key, _ in found])
    return list(zip(uids, [decode_flags(value) for _, value in found], strict=True))


def flag_row(snap: Snapshot, mailbox_id: int, bucket: Bucket, uid: int) -> FlagRow | None:
    """None when the message is expunged, expired, or its row is damaged."""
    try:
        value = snap.get(bucket, keys.flags(mailbox_id, uid))
    except Corrupt:
        return None
    return decode_flags(value) if value is not None else None


NOWHERE: Mapping[int, Bucket] = MappingProxyType({})
"""No message is known where it is."""


def locate(
    snap: Snapshot, mailbox: MailboxRow, uids: Iterable[int], homes: Mapping[int, Bucket] = NOWHERE
) -> list[Found]:
    """Those of ``uids`` that are there, ascending.

    ``homes``: in which bucket each of them is or was, as far as known (a message never changes it), which spares
    looking into every bucket whose UIDs reach over theirs: where mail was moved about, that is each of thirty.
    """
    wanted = sorted(set(uids))
    found: list[Found] = []
    for bucket, inside in _by_bucket(snap, mailbox, wanted, homes):
        if len(inside) > _SPARSE and inside[-1] - inside[0] < _DENSE * len(inside):
            members = set(inside)
            rows = flag_rows(snap, mailbox.id, bucket, inside[0], inside[-1])
            found += [Found(bucket, uid, row) for uid, row in rows if uid in members]
            continue
        values = snap.sealed_at(bucket, keys.flags_of(mailbox.id, inside))
        if None in values:
            inside = [uid for uid, value in zip(inside, values, strict=True) if value is not None]
        there = decode_sealed_flags([value for value in values if value is not None])
        found += map(Found, repeat(bucket), inside, there)
    if len(found) > 1:
        found.sort(key=_by_uid)
    return found


def _by_bucket(
    snap: Snapshot, mailbox: MailboxRow, wanted: Sequence[int], homes: Mapping[int, Bucket]
) -> Iterable[tuple[Bucket, Sequence[int]]]:
    """In which buckets to look for which of ``wanted`` (ascending)."""
    if not wanted:
        return []
    known = [homes.get(uid) for uid in wanted]
    if None not in known:
        at_home: dict[Bucket, list[int]] = {}
        for home, uid in zip(known, wanted, strict=True):
            assert home is not None
            at_home.setdefault(home, []).append(uid)
        return at_home.items()
    first, last = wanted[0], wanted[-1]
    return [
        (bucket, inside)
        for bucket, low, high in live_ranges(snap, mailbox)
        if high >= first and low <= last and (inside := wanted[bisect_left(wanted, low) : bisect_right(wanted, high)])
    ]


def locate_all(snap: Snapshot, mailbox: MailboxRow) -> list[Found]:
    """Every message of the mailbox, by UID."""
    found = [
        Found(bucket, uid, row)
        for bucket, low, high in live_ranges(snap, mailbox)
        for uid, row in flag_rows(snap, mailbox.id, bucket, low, high)
    ]
    found.sort(key=_by_uid)
    return found
