"""Command lines out of a byte stream: CRLF only, bounded, with the octets between lines left to the caller.

Owns the buffer and the line rules of SMTP and POP3; IMAP, whose lines hold literals, has its own lexer.
"""

from __future__ import annotations

from enum import Enum, auto

MOST_LINE = 2048
"""Octets of a command line with its CRLF."""
MOST_SWALLOWED = 64 * 1024
"""Octets of a too long line that are read only to find its end."""


class LineFault(Enum):
    TOO_LONG = auto()
    """The line was over 2048 octets and has been dropped whole: never a prefix of it is obeyed."""
    ENDLESS = auto()
    """64 KiB without an end: close."""
    BAD_OCTETS = auto()
    """A bare CR, a bare LF or a NUL: close, for what follows may be meant for another parser."""


class LineBuffer:
    """``feed``; then ``line`` for commands, ``take`` for counted octets."""

    __slots__ = ("_at", "_last", "_octets", "_swallowed")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0
        self._swallowed = 0
        self._last = 0
        """The last octet swallowed: a CRLF may lie across two feeds."""

    def feed(self, data: bytes) -> None:
        if self._at < len(self._octets):
            self._octets = self._octets[self._at :] + data
        else:
            self._octets = data
        self._at = 0

    def __len__(self) -> int:
        """Octets that wait."""
        return len(self._octets) - self._at

    def clear(self) -> None:
        """Drop everything, a half-read line included."""
        self._octets = b""
        self._at = 0
        self._swallowed = 0

    def line(self) -> bytes | LineFault | None:
        """The next line without its CRLF; a fault; or None when more octets are needed."""
        end = self._octets.find(b"\n", self._at)
        if self._swallowed or (end if end >= 0 else len(self._octets)) - self._at >= MOST_LINE:
            return self._swallow(end)
        if end < 0:
            # Seen at once, so that a TLS hello on a port in clear is not kept waiting for a line end.
            return LineFault.BAD_OCTETS if self._octets.find(b"\0", self._at) >= 0 else None
        line = self._octets[self._at : end + 1]
        self._at = end + 1
        if not line.endswith(b"\r\n") or line.find(b"\r", 0, -2) >= 0 or b"\0" in line:
            return LineFault.BAD_OCTETS
        return line[:-2]

    def take(self, most: int) -> bytes:
        """Up to ``most`` octets as they came; empty when there are none."""
        if self._at == 0 and len(self._octets) <= most:
            octets, self._octets = self._octets, b""
            return octets
        octets = self._octets[self._at : self._at + most]
        self._at += len(octets)
        return octets

    def put_back(self, octets: bytes) -> None:
        """The tail of what ``take`` gave last was not the caller's after all."""
        self._octets = octets + self._octets[self._at :]
        self._at = 0

    def _swallow(self, end: int) -> LineFault | None:
        stop = end + 1 if end >= 0 else len(self._octets)
        before = self._octets[end - 1] if end > self._at else self._last
        self._swallowed += stop - self._at
        if stop > self._at:
            self._last = self._octets[stop - 1]
        self._at = stop
        if self._swallowed > MOST_SWALLOWED:
            return LineFault.ENDLESS
        if end < 0:
            return None
        self._swallowed = 0
        return LineFault.TOO_LONG if before == 0x0D else LineFault.BAD_OCTETS
