"""Keys of the queue: entries and their indexes in bucket 0, the ledger in the message's bucket. See ``keys``."""

from __future__ import annotations

import struct

from xtramail.store.keys import hashed, micros

_U64 = struct.Struct(">Q")
_TAG_U64 = struct.Struct(">cQ")

DUE = b"t"
BY_DESTINATION = b"x"
DESTINATIONS = b"d"
ENTRIES = b"e"
LEDGER = b"l"
FATE_COUNTS = b"n"


def due_prefix(name: str) -> bytes:
    """What the due rows of a destination begin with."""
    return b"t" + hashed(name)


def due(name: str, at: float, entry_id: int) -> bytes:
    """``name`` is the destination's, ``at`` in seconds since 1970."""
    return b"t" + hashed(name) + _U64.pack(micros(at)) + _U64.pack(entry_id)


def due_until(name: str, at: float) -> bytes:
    """``high`` of a range over everything of a destination that is due at ``at`` or before."""
    return b"t" + hashed(name) + _U64.pack(micros(at) + 1)


def due_destination(key: bytes) -> bytes:
    """The :func:`due_prefix` that a due key begins with."""
    return key[:17]


def due_time(key: bytes) -> float:
    """Seconds since 1970."""
    return int(_U64.unpack_from(key, 17)[0]) / 1_000_000


def due_entry(key: bytes) -> int:
    return int(_U64.unpack_from(key, 25)[0])


def destination(name: str) -> bytes:
    """How it stands with a destination that is closed (held, or its primary away) or draining."""
    return b"d" + hashed(name)


def by_destination_prefix(name: str) -> bytes:
    return b"x" + hashed(name)


def by_destination(name: str, arrival: float, entry_id: int) -> bytes:
    return b"x" + hashed(name) + _U64.pack(micros(arrival)) + _U64.pack(entry_id)


def by_destination_of(key: bytes) -> bytes:
    """The :func:`by_destination_prefix` that such a key begins with."""
    return key[:17]


def by_destination_entry(key: bytes) -> int:
    return int(_U64.unpack_from(key, 25)[0])


def by_destination_arrival(key: bytes) -> float:
    """Seconds since 1970."""
    return int(_U64.unpack_from(key, 17)[0]) / 1_000_000


def entry(entry_id: int) -> bytes:
    return _TAG_U64.pack(b"e", entry_id)


def ledger_prefix(message_id: int) -> bytes:
    return _TAG_U64.pack(b"l", message_id)


def ledger(message_id: int, recipient: str) -> bytes:
    return _TAG_U64.pack(b"l", message_id) + hashed(recipient)


def ledger_message(key: bytes) -> int:
    """Our message id, of a key made by ``ledger``."""
    return int(_U64.unpack_from(key, 1)[0])
