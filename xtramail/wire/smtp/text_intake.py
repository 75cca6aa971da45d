"""The text of one message on its way in, whichever command brings it: DATA, BDAT, or a refused BDAT that is read away.

Owns the passage from the connection's buffer to chunks and an end; not which command may come (``order``), and not
what is said to the peer about a good message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from xtramail.model.outcome import Reply
from xtramail.wire.lines import LineBuffer
from xtramail.wire.smtp import codes
from xtramail.wire.smtp.chunked import ChunkReader
from xtramail.wire.smtp.dotted import LARGEST_SLICE, DotReader
from xtramail.wire.smtp.events import DataChunk, Need
from xtramail.wire.smtp.order import State
from xtramail.wire.smtp.text_check import TextFault

_FAULTS: dict[TextFault, Reply] = {
    TextFault.BARE: codes.BARE_IN_TEXT,
    TextFault.TOO_LARGE: codes.TOO_LARGE,
    TextFault.LONG_LINE: codes.LONG_TEXT_LINE,
}


@dataclass(frozen=True, slots=True)
class Complete:
    """All of it came; ``size`` in octets."""

    size: int


@dataclass(frozen=True, slots=True)
class Void:
    """It cannot be taken; ``state`` is where the dialogue goes on, CLOSED when it does not."""

    reply: Reply
    state: State


@dataclass(frozen=True, slots=True)
class ChunkAnswer:
    """One BDAT is read, not the last or a refused one: its reply."""

    reply: Reply


Step: TypeAlias = DataChunk | Complete | Void | ChunkAnswer | Need


class TextIntake:
    """``open_*`` or ``refuse_chunk``, then ``step`` while ``reading``."""

    __slots__ = ("_chunks", "_dots", "_limit", "_lines", "_skim")

    def __init__(self, lines: LineBuffer, size_limit: int) -> None:
        self._lines = lines
        self._limit = size_limit
        self._dots: DotReader | None = None
        self._chunks: ChunkReader | None = None
        self._skim: tuple[int, Reply] | None = None

    def forget(self) -> None:
        """The transaction is over. A refused chunk is read away all the same."""
        self._dots = None
        self._chunks = None

    @property
    def chunking(self) -> bool:
        """A message has begun to come by BDAT."""
        return self._chunks is not None

    @property
    def reading(self) -> bool:
        """What comes next is text."""
        return self._dots is not None or self._skim is not None or (self._chunks is not None and self._chunks.open)

    def open_dotted(self) -> None:
        """Text until CRLF.CRLF."""
        self._dots = DotReader(self._limit)

    def open_chunk(self, octets: int, *, last: bool) -> None:
        """One chunk, the first of its message or a further one."""
        if self._chunks is None:
            self._chunks = ChunkReader(self._limit)
        self._chunks.begin(octets, last=last)

    def refuse_chunk(self, octets: int, reply: Reply) -> None:
        """RFC 3030 §2: the octets come all the same, and are read before the refusal is sent."""
        self._skim = (octets, reply)

    def step(self) -> Step:
        """Some octets, an end, or Need.DATA."""
        if self._skim is not None:
            return self._read_away(*self._skim)
        if self._dots is not None:
            return self._read_dotted(self._dots)
        assert self._chunks is not None
        return self._read_chunk(self._chunks)

    def _read_away(self, remaining: int, reply: Reply) -> Step:
        while remaining:
            octets = self._lines.take(min(LARGEST_SLICE, remaining))
            if not octets:
                self._skim = (remaining, reply)
                return Need.DATA
            remaining -= len(octets)
        self._skim = None
        return ChunkAnswer(reply=reply)

    def _read_dotted(self, reader: DotReader) -> Step:
        while not reader.done:
            if reader.exhausted:
                return self._void(reader.fault, State.CLOSED)
            octets = self._lines.take(LARGEST_SLICE)
            if not octets:
                return Need.DATA
            chunk = reader.read(octets)
            if reader.rest:
                self._lines.put_back(reader.rest)
            if chunk:
                return DataChunk(octets=chunk)
        if reader.fault is not None:
            return self._void(reader.fault, State.READY)
        self._dots = None
        return Complete(size=reader.size)

    def _read_chunk(self, reader: ChunkReader) -> Step:
        while reader.remaining:
            if reader.exhausted:
                return self._void(reader.fault, State.CLOSED)
            octets = self._lines.take(min(LARGEST_SLICE, reader.remaining))
            if not octets:
                return Need.DATA
            chunk = reader.read(octets)
            if chunk:
                return DataChunk(octets=chunk)
        reader.end()
        if reader.fault is not None:
            return self._void(reader.fault, State.READY if reader.last else State.SPOILT)
        return Complete(size=reader.size) if reader.last else ChunkAnswer(reply=codes.chunk_received(reader.octets))

    def _void(self, fault: TextFault | None, state: State) -> Void:
        # After a bare line end nothing more is believed of this peer: what follows may be a smuggled message.
        fatal = fault is TextFault.BARE
        return Void(reply=_FAULTS[fault or TextFault.TOO_LARGE], state=State.CLOSED if fatal else state)
