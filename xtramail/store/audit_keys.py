"""Keys of the scope AUDIT, bucket 0."""

from __future__ import annotations

import struct

_TAG_U64 = struct.Struct(">cQ")

HEAD = b"H"
"""Number and seal of the newest row."""
ROWS = b"r"


def row(number: int) -> bytes:
    """Ordered by number, from 1."""
    return _TAG_U64.pack(ROWS, number)


def number(key: bytes) -> int:
    return int(_TAG_U64.unpack(key)[1])
