"""The text of BDAT (RFC 3030 §2): octets by count, the same line-ending rule as DATA.

Owns reading the chunks of one message; which BDAT may follow which is the server's table.
"""

from __future__ import annotations

from xtramail.wire.smtp.text_check import TextCheck, TextFault


class ChunkReader:
    """All chunks of one message: ``begin`` each, ``read`` until ``remaining`` is 0, then ``end`` it."""

    __slots__ = ("_check", "_held", "last", "octets", "open", "remaining")

    def __init__(self, size_limit: int) -> None:
        self._check = TextCheck(size_limit)
        self._held = b""
        self.open = False
        """Begun and not ended."""
        self.octets = 0
        """Of this chunk."""
        self.last = False
        self.remaining = 0
        """Octets of this chunk still to come."""

    @property
    def size(self) -> int:
        return self._check.size

    @property
    def fault(self) -> TextFault | None:
        return self._check.fault

    @property
    def exhausted(self) -> bool:
        return self._check.exhausted

    def begin(self, octets: int, *, last: bool) -> None:
        """A chunk of ``octets`` follows."""
        self.octets = self.remaining = octets
        self.last = last
        self.open = True

    def read(self, octets: bytes) -> bytes:
        """Exact octets, maybe empty; nothing more once there is a fault. Not more than ``remaining`` may be given."""
        self.remaining -= len(octets)
        text = self._held + octets if self._held else octets
        self._held = b""
        # A chunk may end between CR and LF; the pair is judged whole.
        if text.endswith(b"\r"):
            text, self._held = text[:-1], b"\r"
        if not text:
            return b""
        return text if self._check.admit(text, len(text)) else b""

    def end(self) -> None:
        """This chunk is complete; after the last one nothing may be left in the air."""
        self.open = False
        if self.last and self._held:
            self._check.cut_inside_line_end()
