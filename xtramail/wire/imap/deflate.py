"""COMPRESS=DEFLATE (RFC 4978): its command, and the two streams behind it, bounded.

Owns how much comes out at once. Does not own whose octets they are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from xtramail.wire.errors import ProtocolError
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.rules import Rules

STEP = 64 * 1024
"""Octets inflated at once: a bomb meets the limits of plain input before it has opened."""

# RFC 1951 without header. Clients may use the whole window; ours is smaller, for an idle session keeps its memory.
_RAW = -zlib.MAX_WBITS
_OUT_WINDOW = -13
_OUT_MEMORY = 6
_OUT_LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Compress(Command):
    """Answer OK and write it, uncompressed; from then on both sides deflate."""


def read_compress(cursor: Cursor, tag: bytes, _rules: Rules) -> Command:
    """``SP "DEFLATE"``."""
    cursor.space()
    if cursor.word() != b"DEFLATE":
        raise BadSyntax("Only DEFLATE is known")
    cursor.finish()
    return Compress(tag=tag)


class BrokenStream(ProtocolError):
    """What came is no deflated data, or came behind its end: nothing after it can be read."""


class Inflow:
    """What a client deflated. ``feed`` buffers; ``take`` gives at most STEP octets at a time."""

    __slots__ = ("_inflater", "_more", "_waiting")

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_RAW)
        self._waiting = b""
        self._more = False

    @property
    def waiting(self) -> int:
        """Octets not inflated yet."""
        return len(self._waiting)

    def feed(self, octets: bytes) -> None:
        self._waiting = self._waiting + octets if self._waiting else octets

    def take(self) -> bytes:
        """The next octets; empty when more must come first. BrokenStream."""
        if not self._waiting and not self._more:
            return b""
        try:
            octets = self._inflater.decompress(self._waiting, STEP)
        except zlib.error:
            raise BrokenStream("Compressed data is broken") from None
        if self._inflater.eof:
            # RFC 4978 §4: the stream lasts as long as the connection.
            raise BrokenStream("Compressed data has ended")
        self._waiting = self._inflater.unconsumed_tail
        # zlib may have taken all of the input and hold output back, where as much came out as may.
        self._more = len(octets) == STEP
        return octets


class Outflow:
    """What we deflate: each piece is complete for the client when it arrives (RFC 4978 §3, Z_SYNC_FLUSH)."""

    __slots__ = ("_deflater",)

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(_OUT_LEVEL, zlib.DEFLATED, _OUT_WINDOW, _OUT_MEMORY)

    def deflated(self, octets: bytes) -> bytes:
        return self._deflater.compress(octets) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
