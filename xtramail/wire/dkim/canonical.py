"""The *relaxed* forms of a header field and of a body (RFC 6376 §3.4.2, §3.4.4): what a signature is made over.

A body is hashed as it passes, in chunks of any length; nothing of it is kept but what the next octets may change.
"""

from __future__ import annotations

import hashlib
import re

_BLANKS = re.compile(rb"[ \t]+")
_ENDS_AT_ONCE = 8_192
"""Line ends that were held back are hashed so many at a time: a message may be 50 MB of them."""


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """``value`` is all behind the colon, folded or not, with its line end or without; the result has none."""
    return name.strip(b" \t").lower() + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


class BodyHash:
    """SHA-256 of a body in relaxed form."""

    __slots__ = ("_any", "_ends", "_hash", "_tail")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._tail = b""
        self._ends = 0
        self._any = False

    def write(self, octets: bytes) -> None:
        """The next octets of the body, whatever their number."""
        if octets:
            self._take(self._tail + octets, last=False)

    def digest(self) -> bytes:
        """32 octets. Nothing is written afterwards."""
        self._take(self._tail, last=True)
        if self._any:
            # Empty lines at the end do not count, and what is not empty ends in a line end. Nothing stays nothing.
            self._hash.update(b"\r\n")
        return self._hash.digest()

    def _take(self, octets: bytes, *, last: bool) -> None:
        if b"\t" in octets:
            octets = octets.replace(b"\t", b" ")
        while b"  " in octets:
            octets = octets.replace(b"  ", b" ")
        octets = octets.replace(b" \r\n", b"\r\n")
        if last:
            self._tail = b""
            octets = octets.removesuffix(b" ")
        else:
            # A blank, a CR: what comes next may make a line end of them.
            kept = len(octets)
            if octets.endswith(b"\r"):
                kept -= 1
            if octets[:kept].endswith(b" "):
                kept -= 1
            self._tail, octets = octets[kept:], octets[:kept]
        text, ends = _without_ends(octets)
        if text:
            self._end_lines()
            self._hash.update(text)
            self._any = True
        self._ends += ends

    def _end_lines(self) -> None:
        while self._ends:
            some = min(self._ends, _ENDS_AT_ONCE)
            self._hash.update(b"\r\n" * some)
            self._ends -= some


def _without_ends(octets: bytes) -> tuple[bytes, int]:
    """``octets`` without the line ends at its end, and how many those are; a CR or LF alone is text."""
    length = len(octets)
    run = length - len(octets.rstrip(b"\r\n"))
    if octets.endswith(b"\r\n" * (run // 2)):
        return octets[: length - run // 2 * 2], run // 2
    # Among them is a CR or LF of its own, which no mail of a sane client has.
    pairs = 0
    while octets.endswith(b"\r\n", 0, length - 2 * pairs):
        pairs += 1
    return octets[: length - 2 * pairs], pairs
