"""FETCH: an item list compiled once into a plan, and the plan carried out message by message as octets.

Owns the wording of ``* n FETCH (...)`` lines from stored rows: summaries are copied as they were rendered at delivery,
bodies are streamed chunk by chunk. Does not own \\Seen nor what is told beside (``answers/fetching``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xtramail.mailbox.block import Block, gather
from xtramail.mailbox.fetch_binary import BINARY_TEXTS, BinaryParts
from xtramail.mailbox.fetch_pieces import FROM_FLAGS, PIECES, FlagTexts, Listing, Piece, listing
from xtramail.mailbox.fetch_whole import Whole, whole
from xtramail.mailbox.sections import Span, locate
from xtramail.mailbox.view import View
from xtramail.model.errors import Corrupt, NoSuchMessage, UnknownEncoding, XtramailError
from xtramail.store import bodies
from xtramail.store.engine import Engine
from xtramail.store.records import MessageRow
from xtramail.wire.imap import responses
from xtramail.wire.imap.fetch_items import Attribute, FetchItems, Section, SectionText
from xtramail.wire.mime.header import select_fields

_FLUSH = 32 * 1024
"""Bodies are handed on in pieces of about this many octets."""

_FEW = 4
"""Messages whose lines are made with the answer, without a stream."""

_MANY = 96
_MANY_FLAGS = 1_024
"""Messages listed at once, with their rows and without: tens of kilobytes, in half a millisecond."""


class StreamBroken(XtramailError):
    """A body ended before its announced length: the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What an item list needs, found out once for all commands with the same text."""

    pieces: tuple[Piece | Section, ...]
    """In the order asked for."""
    tells_flags: bool
    tells_modseq: bool
    needs_rows: bool
    needs_headers: bool
    """Some section is fields of the header."""
    listing: Listing | None
    """All of it, where its sections are at most fields of the header: one format filled in for each message."""
    whole: Whole | None
    """All of it, where it has one section and that is of the message itself."""


@lru_cache(maxsize=512)
def plan_of(items: FetchItems, uid: bool, modseq: bool = False) -> FetchPlan:
    """``uid``: UID FETCH, which tells the UID also when it was not asked for (RFC 3501 §6.4.8).

    ``modseq``: tell MODSEQ also when it was not asked for, as CHANGEDSINCE wants (RFC 7162 §3.1.4.1).
    """
    wanted: tuple[Attribute | Section, ...] = items.items
    if modseq and Attribute.MODSEQ not in wanted:
        wanted = (*wanted, Attribute.MODSEQ)
    if uid and Attribute.UID not in wanted:
        wanted = (Attribute.UID, *wanted)
    pieces: tuple[Piece | Section, ...] = tuple(
        item if isinstance(item, Section) else PIECES[item] for item in wanted
    )
    return FetchPlan(
        pieces=pieces,
        tells_flags=Attribute.FLAGS in wanted,
        tells_modseq=Attribute.MODSEQ in wanted,
        needs_rows=any(item not in FROM_FLAGS for item in wanted),
        needs_headers=any(isinstance(item, Section) for item in wanted),
        listing=listing(wanted),
        whole=whole(pieces),
    )


class FetchRun:
    """One plan carried out over some messages of a view; iterate :meth:`octets` once."""

    def __init__(self, *, engine: Engine, view: View, plan: FetchPlan, with_flags: frozenset[int]) -> None:
        """``with_flags``: UIDs whose flags are told although they were not asked for (\\Seen was set)."""
        self._engine = engine
        self._view = view
        self._plan = plan
        self._with_flags = with_flags
        self._texts = FlagTexts(view)
        self.failed: XtramailError | None = None
        """Why some message could not be told: the others were."""

    def at_once(self, uids: Sequence[int]) -> bytes | None:
        """Whole answer lines of few messages, all of them short; None when it takes :meth:`octets`."""
        plan = self._plan
        if len(uids) > _FEW or self._with_flags or (plan.listing is None and plan.whole is None):
            return None
        block = self._gather(uids)
        try:
            if len(block) < len(uids):
                return None
            if plan.whole is not None:
                return plan.whole.few(self._engine, block, self._texts)
            return plan.listing.lines(block, self._texts) if plan.listing is not None else None
        except Corrupt:
            return None

    def octets(self, uids: Sequence[int]) -> Iterator[bytes]:
        """Whole answer lines, in pieces; each piece is read from the store when it is asked for, in one short
        transaction. StreamBroken when a literal cannot be finished."""
        plan = self._plan
        step = _MANY if plan.needs_rows else _MANY_FLAGS
        for start in range(0, len(uids), step):
            block = self._gather(uids[start : start + step])
            if len(block) < len(uids[start : start + step]) and plan.needs_rows:
                self.failed = NoSuchMessage("Some messages no longer exist")
            yield from self._block(block)

    def _gather(self, uids: Sequence[int]) -> Block:
        plan = self._plan
        return gather(
            self._engine,
            self._view,
            uids,
            rows=plan.needs_rows,
            headers=plan.needs_headers and plan.listing is not None and not self._with_flags,
        )

    def _block(self, block: Block) -> Iterator[bytes]:
        listing = self._plan.listing
        if listing is not None and not self._with_flags:
            try:
                lines = listing.lines(block, self._texts)
            except Corrupt:
                # Message by message, then, so that the others are told.
                pass
            else:
                yield lines
                return
        if self._plan.whole is not None and not self._with_flags:
            yield from self._plan.whole.lines(
                self._engine, block, self._texts, lambda few: _gathered(self._streams(block, few))
            )
        else:
            yield from _gathered(self._streams(block, range(len(block))))

    def _streams(self, block: Block, some: range) -> Iterator[bytes]:
        """Message by message, with literals that may be long."""
        texts = {piece: piece.texts(block, self._texts) for piece in self._plan.pieces if isinstance(piece, Piece)}
        for at in some:
            yield from self._with_sections(block, at, texts)

    def _with_sections(self, block: Block, at: int, texts: Mapping[Piece, Sequence[bytes]]) -> Iterator[bytes]:
        """One line with literals. What can be read at once is read before the line begins, so that damage found
        in it loses this message's line and nothing else."""
        body = _Body(self._engine, MessageRow.decoded(block.values[at]))
        begun: list[tuple[Sequence[bytes], Iterator[bytes] | None]] = []
        try:
            for piece in self._plan.pieces:
                if isinstance(piece, Section):
                    if piece.text in BINARY_TEXTS:
                        yield from body.binary.measure(piece)
                    begun.append(body.begin(piece))
                else:
                    begun.append(((texts[piece][at],), None))
        except (Corrupt, NoSuchMessage, UnknownEncoding) as error:
            self.failed = error
            return
        if block.uids[at] in self._with_flags and not self._plan.tells_flags:
            begun.append(((PIECES[Attribute.FLAGS].texts(block, self._texts)[at],), None))
            if self._view.terms.condstore and not self._plan.tells_modseq:
                begun.append(((PIECES[Attribute.MODSEQ].texts(block, self._texts)[at],), None))
        yield responses.fetch_head(block.numbers[at])
        for index, (first, rest) in enumerate(begun):
            if index:
                yield b" "
            yield from first
            if rest is not None:
                yield from rest
        yield responses.FETCH_TAIL


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same in pieces of about _FLUSH; an empty piece, which gives others their turn, stays where it is."""
    pending: list[bytes] = []
    size = 0
    for octets in pieces:
        if not octets:
            yield b""
        pending.append(octets)
        size += len(octets)
        if size >= _FLUSH:
            yield b"".join(pending)
            pending.clear()
            size = 0
    if pending:
        yield b"".join(pending)


class _Body:
    """Sections of one stored message."""

    def __init__(self, engine: Engine, row: MessageRow) -> None:
        self._engine = engine
        self._row = row
        self._ref = row.body
        self._headers: dict[Span, bytes] = {}
        self.binary = BinaryParts(engine, row)

    def begin(self, section: Section) -> tuple[Sequence[bytes], Iterator[bytes] | None]:
        """Label, literal head and first octets of a section (all of a small one); then the iterator of what is left.

        Corrupt or NoSuchMessage when its first octets cannot be read.
        """
        if section.text in BINARY_TEXTS:
            head, octets = self.binary.begin(section)
            return (head,), None if octets is None else self._unbroken(octets)
        span = locate(self._row, section)
        if span is None:
            return (section.label, b" NIL"), None
        if section.text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
            picked = select_fields(
                self._header(span), section.fields, exclude=section.text is SectionText.HEADER_FIELDS_NOT
            )
            cut = Span(0, len(picked)).cut(section.start, section.count)
            return (section.label, b" ", responses.literal(picked[cut.start : cut.start + cut.length])), None
        cut = span.cut(section.start, section.count)
        first = [section.label, b" ", responses.literal_head(cut.length)]
        if not cut.length:
            return first, None
        chunks = bodies.chunks(self._engine, self._ref, cut.start, cut.length)
        left = cut.length
        while left and cut.length - left < _FLUSH:
            first.append(next(chunks, b""))
            left -= len(first[-1])
            if not first[-1]:
                raise NoSuchMessage("Some messages are shorter than they were")
        return first, self._rest(chunks, left) if left else None

    def _rest(self, chunks: Iterator[bytes], left: int) -> Iterator[bytes]:
        try:
            for chunk in chunks:
                left -= len(chunk)
                yield chunk
        except (Corrupt, NoSuchMessage) as error:
            raise StreamBroken(error.text) from error
        if left:
            raise StreamBroken("body is shorter than announced")

    def _unbroken(self, octets: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from octets
        except (Corrupt, NoSuchMessage) as error:
            raise StreamBroken(error.text) from error

    def _header(self, span: Span) -> bytes:
        header = self._headers.get(span)
        if header is None:
            header = self._headers[span] = bodies.read(self._engine, self._ref, span.start, span.length)
        return header
