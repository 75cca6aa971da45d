"""What is asked of every octet of a message on its way in: line endings, size, length of lines.

Owns the one rule of promise 5 (one line ending) and the size limits, for DATA and BDAT alike. Ends of message are
found by ``dotted`` and ``chunked``.
"""

from __future__ import annotations

from enum import Enum, auto

MOST_LINE = 1024 * 1024
"""Octets of an unbroken text line; 998 is the rule (RFC 5321 §4.5.3.1.6), mail with more exists."""


class TextFault(Enum):
    """Why a message is refused, worst last."""

    LONG_LINE = auto()
    TOO_LARGE = auto()
    BARE = auto()
    """Bare CR, bare LF or NUL. What follows may be a second, smuggled message: the connection ends."""


def has_bare(segment: bytes) -> bool:
    """A CR or LF that is not in a CRLF, or a NUL. ``segment`` must not begin or end inside a CRLF."""
    # Counting all three ends takes twice as long: 1 % of a message.
    rest = segment.replace(b"\r\n", b"")
    return b"\n" in rest or b"\r" in rest or b"\0" in rest


class TextCheck:
    """Fed with segments in order, none of which begins or ends inside a CRLF."""

    __slots__ = ("_limit", "_run", "_seen", "fault", "size")

    def __init__(self, size_limit: int) -> None:
        self._limit = size_limit
        self._seen = 0
        self._run = 0
        self.size = 0
        """Octets admitted."""
        self.fault: TextFault | None = None

    @property
    def exhausted(self) -> bool:
        """Twice the limit has been read: the peer does not stop, so we do."""
        return self._seen > 2 * self._limit

    def admit(self, segment: bytes, octets: int) -> bool:
        """May this segment be passed on? ``octets`` is how many it adds to the message (dots unstuffed).

        Once False, always False; reading goes on only to find the end and the worst fault.
        """
        self._seen += octets
        if has_bare(segment):
            self._worse(TextFault.BARE)
        if self._seen > self._limit:
            self._worse(TextFault.TOO_LARGE)
        first = segment.find(b"\r\n")
        if first < 0:
            self._run += len(segment)
            longest = self._run
        else:
            longest = self._run + first
            self._run = len(segment) - segment.rfind(b"\r\n") - 2
        if longest > MOST_LINE:
            self._worse(TextFault.LONG_LINE)
        if self.fault is not None:
            return False
        self.size += octets
        return True

    def cut_inside_line_end(self) -> None:
        """The message ended with a lone CR."""
        self._worse(TextFault.BARE)

    def _worse(self, fault: TextFault) -> None:
        if self.fault is None or fault.value > self.fault.value:
            self.fault = fault
