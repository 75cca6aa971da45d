"""BODY[], HEADER or TEXT of the messages themselves, where they are small: many put together at a time.

Owns which messages are small enough, and their lines. One that is large, damaged or gone is ``fetch``'s, which streams
it and says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from xtramail.mailbox.block import Block
from xtramail.mailbox.fetch_pieces import FlagTexts, Piece
from xtramail.model.errors import Corrupt
from xtramail.store import bodies, message_row
from xtramail.store.engine import Engine
from xtramail.store.message_row import Placed
from xtramail.wire.imap import responses
from xtramail.wire.imap.fetch_items import Section, SectionText

_TOGETHER = 96 * 1024
"""Octets of messages put together: in an eighth of a millisecond, for one call of the transport."""

_CHUNKS = {SectionText.WHOLE: (0, 1), SectionText.HEADER: (0,), SectionText.TEXT: (1,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """An item list with one such section: what stands before its octets and behind them."""

    chunks: tuple[int, ...]
    """Of a small body, which are the section."""
    before: tuple[Piece, ...]
    after: tuple[Piece, ...]
    head: bytes
    """A format: message number, values of ``before``, octets of the section."""
    tail: bytes
    """A format: values of ``after``."""

    def lines(
        self, engine: Engine, block: Block, flags: FlagTexts, others: Callable[[range], Iterator[bytes]]
    ) -> Iterator[bytes]:
        """Lines of the block's messages, in pieces; ``others`` gives those of some that are not put together here."""
        places = message_row.placed(block.values)
        heads, tails = self._heads(block, flags), self._tails(block, flags)
        for run, small in _runs(places):
            some = slice(run.start, run.stop)
            try:
                if small:
                    yield self._together(engine, heads[some], places[some], tails[some])
                    continue
            except Corrupt:
                # Message by message, then, so that all but the damaged are told.
                pass
            yield from others(run)

    def few(self, engine: Engine, block: Block, flags: FlagTexts) -> bytes | None:
        """All lines of a block of few messages; None when one of them is not put together here. Corrupt."""
        places = message_row.placed(block.values)
        if not all(message_row.small(places)) or sum(place[0] for place in places) > _TOGETHER:
            return None
        return self._together(engine, self._heads(block, flags), places, self._tails(block, flags))

    def _together(
        self,
        engine: Engine,
        heads: Sequence[tuple[int | bytes, ...]],
        places: Sequence[Placed],
        tails: Sequence[bytes],
    ) -> bytes:
        columns = bodies.small_bodies(engine, places, self.chunks)
        sizes = map(sum, zip(*[map(len, column) for column in columns], strict=True))
        head = self.head
        begun = [head % (*values, size) for values, size in zip(heads, sizes, strict=True)]
        return b"".join(chain.from_iterable(zip(begun, *columns, tails, strict=True)))

    def _heads(self, block: Block, flags: FlagTexts) -> list[tuple[int | bytes, ...]]:
        return list(zip(block.numbers, *_columns(self.before, block, flags), strict=True))

    def _tails(self, block: Block, flags: FlagTexts) -> list[bytes]:
        columns = _columns(self.after, block, flags)
        if not columns:
            return [self.tail] * len(block)
        return [self.tail % values for values in zip(*columns, strict=True)]


def whole(pieces: Sequence[Piece | Section]) -> Whole | None:
    """None for an item list of another kind."""
    sections = [at for at, piece in enumerate(pieces) if isinstance(piece, Section)]
    if len(sections) != 1:
        return None
    section = pieces[sections[0]]
    assert isinstance(section, Section)
    if section.path or section.text not in _CHUNKS or section.start is not None:
        return None
    before, after = _only_pieces(pieces[: sections[0]]), _only_pieces(pieces[sections[0] + 1 :])
    # A per cent sign in a section's name is no place of the format.
    forms = [*(piece.form for piece in before), section.label.replace(b"%", b"%%") + b" {%d}\r\n"]
    return Whole(
        chunks=_CHUNKS[section.text],
        before=before,
        after=after,
        head=responses.fetch_form(b" ".join(forms)).removesuffix(responses.FETCH_TAIL),
        tail=b"".join(b" " + piece.form for piece in after) + responses.FETCH_TAIL,
    )


def _only_pieces(pieces: Sequence[Piece | Section]) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if isinstance(piece, Piece))


def _columns(pieces: Sequence[Piece], block: Block, flags: FlagTexts) -> list[Sequence[int | bytes]]:
    """What fills in the forms of ``pieces``."""
    return [column for piece in pieces for column in piece.columns(block, flags)]


def _runs(places: Sequence[Placed]) -> Iterator[tuple[range, bool]]:
    """Messages that follow each other and are small, about _TOGETHER octets of them, or are not."""
    small = message_row.small(places)
    start = octets = 0
    for at, place in enumerate(places):
        if small[at] is not small[start] or octets >= _TOGETHER:
            yield range(start, at), small[start]
            start, octets = at, 0
        octets += place[0]
    if places:
        yield range(start, len(places)), small[start]
