"""The dot convention of DATA (RFC 5321 §4.5.2): finding the end, taking dots away, putting them in.

Owns both directions, on chunks of any size: whole chunks are searched and counted, never line by line (25 KB cost
about 40 us so). Only CRLF.CRLF ends a message: servers that also took LF.LF or CR.CR made SMTP smuggling possible.
"""

from __future__ import annotations

from xtramail.wire.errors import MisuseError
from xtramail.wire.smtp.text_check import TextCheck, TextFault, has_bare

TERMINATOR = b"\r\n.\r\n"
_DOT_LINE = b"\r\n."
FINAL_DOT = b".\r\n"
LARGEST_SLICE = 64 * 1024 - 8
"""Octets read at a time, so that no chunk handed on is larger than 64 KiB, held-back octets included."""


class DotReader:
    """The text of one DATA command. ``read`` gives exact octets; then look at ``done``."""

    __slots__ = ("_check", "_held", "_skip", "done", "rest")

    def __init__(self, size_limit: int) -> None:
        self._check = TextCheck(size_limit)
        # The CRLF of the DATA command counts as the first half of the end (an empty message is a lone dot): the text is
        # read as though it began with that CRLF, which is then not handed on.
        self._held = b"\r\n"
        self._skip = 2
        self.done = False
        self.rest = b""
        """Once done: what came behind the end."""

    @property
    def size(self) -> int:
        return self._check.size

    @property
    def fault(self) -> TextFault | None:
        return self._check.fault

    @property
    def exhausted(self) -> bool:
        return self._check.exhausted

    def read(self, octets: bytes) -> bytes:
        """Text with dots unstuffed, maybe empty; nothing more once there is a fault. At most ``LARGEST_SLICE`` at a
        time.
        """
        text = self._held + octets
        # Mostly the first dot at a line's start is the one that ends the message: found once, nothing is left to look
        # for (1 % of a message).
        dot = text.find(_DOT_LINE)
        end = dot if dot < 0 or text.startswith(TERMINATOR, dot) else text.find(TERMINATOR, dot)
        if end >= 0:
            self.done = True
            self.rest = text[end + len(TERMINATOR) :]
            segment = text[: end + 2]
            self._held = b""
        else:
            keep = _end_begun(text)
            segment = text[: len(text) - keep] if keep else text
            self._held = text[len(text) - keep :] if keep else b""
        if not segment:
            return b""
        # A held-back CRLF starts the next segment, so a segment never begins behind a CRLF that was handed on, and
        # every dot that starts a line is preceded by its CRLF here.
        plain = segment if dot == end else segment.replace(_DOT_LINE, b"\r\n")
        if self._skip:
            plain = plain[self._skip :]
            self._skip = 0
        return plain if self._check.admit(segment, len(plain)) else b""


def _end_begun(text: bytes) -> int:
    """How many octets at the end of ``text`` are a proper prefix of the terminator."""
    for length in (4, 3, 2, 1):
        if text.endswith(TERMINATOR[:length]):
            return length
    return 0


class LineEndCheck:
    """Refuses to send what we would refuse to receive: chunk in, chunk out, a final CR held back for its LF."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def push(self, chunk: bytes) -> bytes:
        """``chunk`` once it is known to be clean; MisuseError on bare CR, bare LF or NUL."""
        text = self._held + chunk if self._held else chunk
        self._held = b""
        if text.endswith(b"\r"):
            text, self._held = text[:-1], b"\r"
        if has_bare(text):
            raise MisuseError("bare CR, bare LF or NUL in a message to be sent")
        return text

    def end(self) -> bytes:
        """Nothing to add; MisuseError when the message ended with a lone CR."""
        if self._held:
            raise MisuseError("bare CR at the end of a message to be sent")
        return b""


class Stuffer:
    """The other way: octets of a message in, the text of DATA out."""

    __slots__ = ("_at_line_start", "_check")

    def __init__(self) -> None:
        self._check = LineEndCheck()
        self._at_line_start = True

    def push(self, chunk: bytes) -> bytes:
        """``chunk`` as it goes on the wire; MisuseError on bare CR, bare LF or NUL (promise 5)."""
        text = self._check.push(chunk)
        if not text:
            return b""
        stuffed = text.replace(b"\r\n.", b"\r\n..")
        if self._at_line_start and text.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = text.endswith(b"\r\n")
        return stuffed

    def end(self) -> bytes:
        """Ends the last line when the message did not; then only ``FINAL_DOT`` is missing."""
        self._check.end()
        return b"" if self._at_line_start else b"\r\n"
