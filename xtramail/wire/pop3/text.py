"""A stored message as POP3 sends it: every line ends in CRLF, a blank line ends the header, dots are stuffed.

Owns the octets of RETR and TOP and therefore the sizes of LIST, which count them before stuffing (RFC 1939 §11). Works
on chunks of any size, searched whole, never line by line.
"""

from __future__ import annotations

import re

_BARE_LF = re.compile(rb"(?<!\r)\n")
_HEADER_END = b"\r\n\r\n"


class WireText:
    """``push`` each chunk, then ``end``: the message as it is counted, not yet stuffed.

    A bare LF (an APPEND may bring it) becomes CRLF: clients that read up to LF would otherwise see the end of the
    answer wherever a lone dot stands between two of them. A CR in a line stays: it ends no line in any client known.
    """

    __slots__ = ("_header_ended", "_last", "_tail")

    def __init__(self) -> None:
        self._last = b"\n"
        """The last octet given; a message begins at the start of a line."""
        self._header_ended = False
        self._tail = b"\r\n"
        """What the search for the blank line goes on from."""

    def push(self, chunk: bytes) -> bytes:
        if not chunk:
            return b""
        text = chunk
        if text.count(b"\n") != text.count(b"\r\n"):
            text = _BARE_LF.sub(b"\r\n", text)
            if chunk[:1] == b"\n" and self._last == b"\r":
                text = text[1:]
        self._last = chunk[-1:]
        if not self._header_ended:
            seen = self._tail + text
            self._header_ended = _HEADER_END in seen
            self._tail = seen[-3:]
        return text

    def end(self) -> bytes:
        """What the message lacks: the end of its last line, and the blank line that some clients wait for."""
        ending = b"" if self._last == b"\n" else b"\r\n"
        return ending if self._header_ended else ending + b"\r\n"


class TopText:
    """What TOP keeps of a WireText: the header, the blank line, and ``lines`` lines of the text."""

    __slots__ = ("_left", "_tail", "done")

    def __init__(self, lines: int) -> None:
        self._left = lines
        self._tail: bytes | None = b"\r\n"
        """Before the blank line: what the search for it goes on from."""
        self.done = False

    def push(self, text: bytes) -> bytes:
        """As much of it as is wanted; nothing once ``done``."""
        if self.done:
            return b""
        start = 0
        if self._tail is not None:
            seen = self._tail + text
            found = seen.find(_HEADER_END)
            if found < 0:
                self._tail = seen[-3:]
                return text
            start = found + len(_HEADER_END) - len(self._tail)
            self._tail = None
        return text[: self._cut(text, start)]

    def _cut(self, text: bytes, start: int) -> int:
        """Where the wanted lines end in ``text``, counted from ``start``."""
        while self._left:
            end = text.find(b"\n", start)
            if end < 0:
                return len(text)
            self._left -= 1
            start = end + 1
        self.done = True
        return start


class Stuffing:
    """A dot before each dot that begins a line (RFC 1939 §3); what it is given has no line ends but CRLF."""

    __slots__ = ("_at_line_start",)

    def __init__(self) -> None:
        self._at_line_start = True

    def push(self, text: bytes) -> bytes:
        if not text:
            return b""
        stuffed = text.replace(b"\n.", b"\n..")
        if self._at_line_start and text[:1] == b".":
            stuffed = b"." + stuffed
        self._at_line_start = text[-1:] == b"\n"
        return stuffed


def size_from_ends(size: int, last: bytes, *, blank_line: bool) -> int:
    """Octets on the wire of a message of ``size`` octets without bare LF, from its ``last`` four (or all) alone.

    ``blank_line``: one is known to stand behind its header.
    """
    blank_line = blank_line or last.endswith(_HEADER_END) or (size == 2 and last == b"\r\n")
    whole_lines = not size or last.endswith(b"\n")
    return size + (0 if whole_lines else 2) + (0 if blank_line else 2)
