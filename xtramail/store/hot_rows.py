"""Hot rows, as fixed structs: what is read and written with every flag, message and listing.

Owns their octets, no key, and reads nothing. Any change raises ``keys.FORMAT``. The cold rows are ``records``'.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import msgspec

from xtramail.store import checksum


class UserClock(msgspec.Struct, frozen=True):
    """What a user gives out: only grows. Numbers are the last given, ``next_*`` the next to give."""

    modseq: int = 0
    uidvalidity: int = 0
    next_mailbox: int = 1


class FlagRow(msgspec.Struct, frozen=True, gc=False):
    """The mutable half of a message."""

    modseq: int
    flags: int
    """Bits of ``model.flags.Flag``."""
    keywords: tuple[int, ...] = ()
    """Ascending ids of the mailbox's keyword table."""
    savedate: int = 0
    """Seconds since 1970 (RFC 8514)."""


class Counters(msgspec.Struct, frozen=True):
    """One mailbox in one bucket; ``modseq`` is the highest of it, expunges included."""

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    bytes: int = 0
    modseq: int = 0


_CLOCK = struct.Struct(">QII")
_FLAG = struct.Struct(">QBI")
_SEALED_FLAG = struct.Struct(f">QBI{checksum.SIZE}x")
_WITHOUT_KEYWORDS = {_SEALED_FLAG.size}
_COUNTERS = struct.Struct(">IIIQQ")
_MESSAGE_ID = struct.Struct(">QQ")
_U64 = struct.Struct(">Q")


def encode_clock(clock: UserClock) -> bytes:
    return _CLOCK.pack(clock.modseq, clock.uidvalidity, clock.next_mailbox)


def decode_clock(value: bytes | None) -> UserClock:
    """``value`` None: a user who was given nothing yet."""
    return UserClock(*_CLOCK.unpack_from(value)) if value is not None else UserClock()


def modseq_of_clock(value: bytes) -> int:
    """The last MODSEQ given, out of an encoded clock."""
    return int.from_bytes(value[:8], "big")


def encode_flags(row: FlagRow) -> bytes:
    """13 octets and one for each keyword."""
    packed = _FLAG.pack(row.modseq, row.flags, row.savedate)
    return packed + bytes(row.keywords) if row.keywords else packed


def encode_all_flags(rows: Iterable[FlagRow]) -> list[bytes]:
    """:func:`encode_flags` of many."""
    pack = _FLAG.pack
    return [
        pack(row.modseq, row.flags, row.savedate) + bytes(row.keywords)
        if row.keywords
        else pack(row.modseq, row.flags, row.savedate)
        for row in rows
    ]


def decode_flags(value: bytes) -> FlagRow:
    modseq, flags, savedate = _FLAG.unpack_from(value)
    return FlagRow(modseq, flags, tuple(value[13:]) if len(value) > 13 else (), savedate)


def decode_sealed_flags(values: Sequence[bytes]) -> list[FlagRow]:
    """:func:`decode_flags` of many, each with its checksum still behind it."""
    if set(map(len, values)) == _WITHOUT_KEYWORDS:
        # None has keywords: half the time of one by one.
        return [
            FlagRow(modseq, flags, (), savedate)
            for modseq, flags, savedate in _SEALED_FLAG.iter_unpack(b"".join(values))
        ]
    return [decode_flags(value[: -checksum.SIZE]) for value in values]


def encode_counters(row: Counters) -> bytes:
    return _COUNTERS.pack(row.messages, row.unseen, row.deleted, row.bytes, row.modseq)


def decode_counters(value: bytes | None) -> Counters:
    """``value`` None: nothing was ever there."""
    return Counters(*_COUNTERS.unpack(value)) if value is not None else Counters()


def encode_message_id(object_id: int, thread_id: int) -> bytes:
    return _MESSAGE_ID.pack(object_id, thread_id)


def decode_message_id(value: bytes) -> tuple[int, int]:
    """Object id and thread id."""
    object_id, thread_id = _MESSAGE_ID.unpack(value)
    return object_id, thread_id


def encode_number(number: int) -> bytes:
    return _U64.pack(number)


def decode_number(value: bytes) -> int:
    return int(_U64.unpack(value)[0])
