"""Framing: octets of a stream cut into whole commands, with literals (RFC 3501 §7.5, RFC 7888), over one buffer.

Owns line ends, literal announcements and reading past what was refused. Does not own what a command says, nor whether a
literal is wanted: it asks, and its caller takes, streams or refuses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

import msgspec

from xtramail.wire.errors import MisuseError

# literal = "{" number64 ["+"] "}" CRLF; longer numbers are cut off by the pattern and are then no literal.
# literal8 = "~" literal (RFC 3516 §7): its octets may be any, NUL too.
_ANNOUNCEMENT = re.compile(rb"(~?)\{([0-9]{1,20})(\+?)\}\Z")
_ANNOUNCEMENT_OCTETS = 32
_HEAD_OCTETS = 512
_NUMBER_DIGITS = 10


class Whole(msgspec.Struct, frozen=True):
    """A complete command without its last CRLF; literals inline with their announcements."""

    octets: bytes


class Asked(msgspec.Struct, frozen=True):
    """The command announces a literal: ``take``, ``stream`` or ``refuse`` it.

    ``octets``: the command so far, up to "}", for its first two literals; empty for later ones, so that many literals
    cost no more than few; behind a streamed literal what stands since then, always. ``index`` counts them from 1.
    """

    octets: bytes
    size: int
    synchronizing: bool
    index: int
    earlier: int
    """Octets of the command's literals before this one."""


class Chunk(msgspec.Struct, frozen=True):
    """Octets of the streamed literal."""

    octets: bytes


class Streamed(msgspec.Struct, frozen=True):
    """The streamed literal and its line are complete; ``rest`` stood between the literal and CRLF."""

    rest: bytes


@dataclass(frozen=True, slots=True)
class Faulty:
    """A command broke the framing and was read past. ``head``: its first octets."""

    head: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was refused has been read past."""


@dataclass(frozen=True, slots=True)
class Flood:
    """More would have to be read past than is tolerated: close."""

    reason: str


Frame = Whole | Asked | Chunk | Streamed | Faulty | Skipped | Flood


class _Mode(Enum):
    LINE = "line"
    ASKED = "asked"
    LITERAL = "literal"
    STREAM = "stream"
    SKIP_LITERAL = "skip literal"
    SKIP_LINE = "skip line"
    OVER = "over"


class _Step(Enum):
    """A step without a frame. Steps are turns of one loop, never nested calls: input decides how many there are."""

    AGAIN = "again"
    WAIT = "wait"


class CommandReader:
    """``feed`` octets, take frames. Limits are attributes, since login widens them."""

    def __init__(self, *, line: int, swallow: int, chunk: int) -> None:
        """``line``: octets of a command without literals; ``swallow``: of a refused one to read past."""
        self.line_limit = line
        self.swallow_limit = swallow
        self._chunk_limit = chunk
        self._buffer = bytearray()
        self._forget()

    def _forget(self) -> None:
        """Ready for the next command, which starts at the front of the buffer."""
        self._mode = _Mode.LINE
        self._text_at = 0
        self._scan = 0
        self._line_octets = 0
        self._literals = 0
        self._literal_octets = 0
        self._remaining = 0
        self._synchronizing = False
        self._swallowed = 0
        self._fault = ""
        self._head = b""
        self._streamed = False
        self._binary = False

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def feed(self, octets: bytes) -> None:
        self._buffer += octets

    def clear(self) -> None:
        """Drop every octet, and the command under way."""
        self._buffer.clear()
        self._forget()

    # Frames

    def next(self, *, literals: bool = True) -> Frame | None:
        """The next frame; None when more octets are needed. ``literals`` False for lines that are no commands."""
        if not self._buffer and self._mode is _Mode.LINE:
            # As behind every command that came alone.
            return None
        while True:
            mode = self._mode
            if mode is _Mode.LINE:
                step = self._line(literals)
            elif mode is _Mode.STREAM:
                step = self._stream_chunk()
            elif mode is _Mode.LITERAL:
                step = self._take_literal()
            elif mode is _Mode.SKIP_LITERAL:
                step = self._skip_literal()
            elif mode is _Mode.SKIP_LINE:
                step = self._skip_line()
            elif mode is _Mode.OVER:
                step = self._past()
            else:
                raise MisuseError("a literal was announced and neither taken nor refused")
            if step is _Step.WAIT:
                return None
            if step is not _Step.AGAIN:
                return step

    def _line(self, literals: bool) -> Frame | _Step:
        buffer = self._buffer
        end = buffer.find(b"\n", self._scan)
        if end < 0:
            self._scan = len(buffer)
            if self._line_octets + len(buffer) - self._text_at > self.line_limit:
                return self._too_long()
            return _Step.WAIT
        text = bytes(buffer[self._text_at : end])
        if self._line_octets + len(text) > self.line_limit:
            return self._too_long()
        if text.find(b"\r") != len(text) - 1 or not text:
            # Only CRLF ends a line: two readers that disagree about line ends are how commands are smuggled.
            return self._broken(text, end, "Lines end in CR LF")
        if b"\0" in text:
            return self._broken(text, end, "NUL is not allowed")
        if literals and text.endswith(b"}\r"):
            announced = _ANNOUNCEMENT.search(text, max(0, len(text) - _ANNOUNCEMENT_OCTETS), len(text) - 1)
            if announced is not None:
                return self._ask(announced, end, len(text) + 1)
        if self._streamed:
            self._consume(end + 1)
            return Streamed(text[:-1])
        octets = text[:-1] if self._text_at == 0 else bytes(buffer[: end - 1])
        self._consume(end + 1)
        return Whole(octets)

    def _consume(self, octets: int) -> None:
        del self._buffer[:octets]
        if self._literals:
            self._forget()
        else:
            self._scan = 0

    def _ask(self, announced: re.Match[bytes], end: int, line_octets: int) -> Frame | _Step:
        tilde, digits, plus = announced.groups()
        if len(digits) > _NUMBER_DIGITS:
            # Not to be believed.
            return self._broken(announced.string, end, "Literal is not allowed here")
        self._remaining = int(digits)
        self._synchronizing = not plus
        self._binary = bool(tilde)
        self._line_octets += line_octets
        self._text_at = end + 1
        self._mode = _Mode.ASKED
        self._literals += 1
        octets = bytes(self._buffer[: end - 1]) if self._literals <= 2 or self._streamed else b""
        return Asked(octets, self._remaining, self._synchronizing, self._literals, self._literal_octets)

    # Answers to Asked

    def take(self) -> None:
        """Have the literal as part of the command."""
        self._decide()
        self._mode = _Mode.LITERAL

    def stream(self) -> None:
        """Have the literal as chunks; the command ends behind it, or announces one more."""
        self._decide()
        del self._buffer[: self._text_at]
        self._text_at = 0
        self._mode = _Mode.STREAM

    def refuse(self, allowance: int = 0) -> None:
        """Do not have it: ``Skipped`` follows, at once where the client waits for leave, else when it was read past.

        ``allowance``: octets to read past beyond the usual limit.
        """
        self._decide()
        del self._buffer[: self._text_at]
        if self._synchronizing:
            # The client waits: our refusal is the answer, and the next command starts here (RFC 3501 §7.5).
            self._forget()
            self._mode = _Mode.OVER
            return
        self._swallowed = -allowance
        self._text_at = 0
        self._mode = _Mode.SKIP_LITERAL

    def _decide(self) -> None:
        if self._mode is not _Mode.ASKED:
            raise MisuseError("no literal was announced")

    # Literals

    def _take_literal(self) -> _Step:
        start = self._text_at
        end = start + self._remaining
        if len(self._buffer) < end:
            return _Step.WAIT
        if self._buffer.find(b"\0", start, end) >= 0:
            # CHAR8 = any OCTET except NUL
            self._blame("NUL is not allowed")
            del self._buffer[:end]
            self._mode = _Mode.SKIP_LINE
        else:
            self._literal_octets += self._remaining
            self._text_at = self._scan = end
            self._mode = _Mode.LINE
        return _Step.AGAIN

    def _stream_chunk(self) -> Frame | _Step:
        if not self._remaining:
            self._mode = _Mode.LINE
            self._scan = 0
            self._line_octets = 0
            self._streamed = True
            return _Step.AGAIN
        if not self._buffer:
            return _Step.WAIT
        octets = bytes(self._buffer[: min(self._remaining, self._chunk_limit)])
        if not self._binary and b"\0" in octets:
            self._fault = "NUL is not allowed"
            # Its end was in sight when the literal was granted, so this much is read past.
            self._swallowed = -self._remaining
            self._mode = _Mode.SKIP_LITERAL
            return _Step.AGAIN
        del self._buffer[: len(octets)]
        self._remaining -= len(octets)
        return Chunk(octets)

    # Reading past

    def _blame(self, reason: str) -> None:
        self._fault = reason
        self._head = bytes(self._buffer[:_HEAD_OCTETS])

    def _broken(self, text: bytes, end: int, reason: str) -> Frame | _Step:
        """A fault in a line that ends at ``end``: literals that come unasked belong to it and are read past as well."""
        self._blame(reason)
        del self._buffer[: end + 1]
        return self._past_line(text)

    def _too_long(self) -> _Step:
        self._blame("Line is too long")
        # A literal before this line may hold line ends of its own.
        del self._buffer[: self._text_at]
        self._mode = _Mode.SKIP_LINE
        return _Step.AGAIN

    def _past_line(self, text: bytes) -> Frame | _Step:
        """A line was read past; a literal announced at its end that needs no leave is on its way."""
        announced = _ANNOUNCEMENT.search(text[-_ANNOUNCEMENT_OCTETS:].removesuffix(b"\r"))
        if announced is None or not announced.group(3):
            return self._past()
        digits = announced.group(2)
        if len(digits) > _NUMBER_DIGITS:
            return Flood("Literal is too large")
        self._remaining = int(digits)
        self._mode = _Mode.SKIP_LITERAL
        return _Step.AGAIN

    def _past(self) -> Frame:
        fault, head = self._fault, self._head
        self._forget()
        return Faulty(head, fault) if fault else Skipped()

    def _skip_literal(self) -> Frame | _Step:
        have = min(self._remaining, len(self._buffer))
        del self._buffer[:have]
        self._remaining -= have
        self._swallowed += have
        # What must still come counts at once: a huge literal is not waited for.
        if self._swallowed + self._remaining > self.swallow_limit:
            return Flood("Too much to read past")
        if self._remaining:
            return _Step.WAIT
        self._mode = _Mode.SKIP_LINE
        return _Step.AGAIN

    def _skip_line(self) -> Frame | _Step:
        end = self._buffer.find(b"\n")
        if end >= 0:
            text = bytes(self._buffer[max(0, end - _ANNOUNCEMENT_OCTETS) : end])
            del self._buffer[: end + 1]
            self._swallowed += end + 1
            if self._swallowed <= self.swallow_limit:
                return self._past_line(text)
        else:
            # Enough is kept to see a literal announced at the end of the line.
            spare = max(0, len(self._buffer) - _ANNOUNCEMENT_OCTETS)
            del self._buffer[:spare]
            self._swallowed += spare
            if self._swallowed <= self.swallow_limit:
                return _Step.WAIT
        return Flood("Too much to read past")
