"""FETCH: an item list compiled once into a plan, and the plan carried out message by message as octets.

Owns the wording of ``* n FETCH (...)`` lines from stored rows: summaries are copied as they were rendered at delivery,
bodies are streamed chunk by chunk. Does not own \\Seen nor what is told beside (``answers/fetching``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xtramail.mailbox.rows import read_rows, slices
from xtramail.mailbox.sections import Span, locate
from xtramail.mailbox.view import Place, View
from xtramail.model.errors import Corrupt, NoSuchMessage, XtramailError
from xtramail.model.ids import id_text
from xtramail.store import bodies
from xtramail.store.engine import Engine
from xtramail.store.records import MessageRow
from xtramail.wire.imap import responses
from xtramail.wire.imap.fetch_items import Attribute, FetchItems, Section, SectionText
from xtramail.wire.mime.header import select_fields

_FLUSH = 32 * 1024
"""Answers are handed on in pieces of about this many octets."""

_FROM_FLAGS = frozenset({Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ, Attribute.SAVEDATE})


class StreamBroken(XtramailError):
    """A body ended before its announced length: the connection cannot go on."""


_RowText = Callable[[MessageRow], bytes]

_OF_ROW: dict[Attribute, _RowText] = {
    Attribute.INTERNALDATE: lambda row: b"INTERNALDATE " + responses.internal_date(row.internaldate),
    Attribute.RFC822_SIZE: lambda row: b"RFC822.SIZE %d" % row.size,
    Attribute.ENVELOPE: lambda row: b"ENVELOPE " + row.envelope,
    Attribute.BODY: lambda row: b"BODY " + row.body_structure_plain,
    Attribute.BODYSTRUCTURE: lambda row: b"BODYSTRUCTURE " + row.bodystructure,
    Attribute.EMAILID: lambda row: b"EMAILID (%b)" % id_text(row.object_id).encode(),
    Attribute.THREADID: lambda row: b"THREADID (%b)" % id_text(row.thread_id).encode(),
    Attribute.PREVIEW: lambda row: b"PREVIEW " + responses.string(row.preview.encode()),
}


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What an item list needs, found out once for all commands with the same text."""

    items: tuple[Attribute | Section, ...]
    tells_flags: bool
    needs_rows: bool
    has_sections: bool


@lru_cache(maxsize=512)
def plan_of(items: FetchItems, uid: bool) -> FetchPlan:
    """``uid``: UID FETCH, which tells the UID also when it was not asked for (RFC 3501 §6.4.8)."""
    wanted: tuple[Attribute | Section, ...] = items.items
    if uid and Attribute.UID not in wanted:
        wanted = (Attribute.UID, *wanted)
    return FetchPlan(
        items=wanted,
        tells_flags=Attribute.FLAGS in wanted,
        needs_rows=any(item not in _FROM_FLAGS for item in wanted),
        has_sections=any(isinstance(item, Section) for item in wanted),
    )


class FetchRun:
    """One plan carried out over some messages of a view; iterate :meth:`octets` once."""

    def __init__(self, *, engine: Engine, view: View, plan: FetchPlan, with_flags: frozenset[int]) -> None:
        """``with_flags``: UIDs whose flags are told although they were not asked for (\\Seen was set)."""
        self._engine = engine
        self._view = view
        self._plan = plan
        self._with_flags = with_flags
        self._flag_texts: dict[tuple[int, tuple[int, ...], bool], bytes] = {}
        self.failed: XtramailError | None = None
        """Why some message could not be told: the others were."""

    def octets(self, places: Sequence[Place]) -> Iterator[bytes]:
        """Whole answer lines, in pieces; each piece is read from the store when it is asked for, in one short
        transaction. StreamBroken when a literal cannot be finished."""
        pending: list[bytes] = []
        size = 0
        for run in slices(places):
            rows = self._rows(run) if self._plan.needs_rows else {}
            for place in run:
                for piece in self._message(place, rows.get(place.uid)):
                    pending.append(piece)
                    size += len(piece)
                    if size >= _FLUSH:
                        yield b"".join(pending)
                        pending.clear()
                        size = 0
        if pending:
            yield b"".join(pending)

    def _rows(self, run: Sequence[Place]) -> dict[int, MessageRow]:
        return read_rows(self._engine, self._view.shared.account_id, self._view.mailbox_id, run)

    def _message(self, place: Place, row: MessageRow | None) -> Iterator[bytes]:
        plan = self._plan
        if row is None and plan.needs_rows:
            self.failed = NoSuchMessage("Some messages no longer exist")
            return
        if plan.has_sections and row is not None:
            yield from self._with_sections(place, row)
            return
        words = [self._attribute(item, place, row) for item in plan.items if isinstance(item, Attribute)]
        yield responses.fetch(self._view.number(place.uid), b" ".join(words))

    def _with_sections(self, place: Place, row: MessageRow) -> Iterator[bytes]:
        """One line with literals. What can be read at once is read before the line begins, so that damage found
        in it loses this message's line and nothing else."""
        body = _Body(self._engine, row)
        begun: list[tuple[bytes, Iterator[bytes] | None]] = []
        try:
            for item in self._plan.items:
                if isinstance(item, Section):
                    begun.append(body.begin(item))
                else:
                    begun.append((self._attribute(item, place, row), None))
        except (Corrupt, NoSuchMessage) as error:
            self.failed = error
            return
        if place.uid in self._with_flags and not self._plan.tells_flags:
            begun.append((self._attribute(Attribute.FLAGS, place, row), None))
        yield responses.fetch_head(self._view.number(place.uid))
        for index, (head, rest) in enumerate(begun):
            yield b" " + head if index else head
            if rest is not None:
                yield from rest
        yield responses.FETCH_TAIL

    def _attribute(self, item: Attribute, place: Place, row: MessageRow | None) -> bytes:
        if item is Attribute.UID:
            return b"UID %d" % place.uid
        if item is Attribute.FLAGS:
            return b"FLAGS " + self._flags(place)
        if item is Attribute.MODSEQ:
            return b"MODSEQ (%d)" % place.row.modseq
        if item is Attribute.SAVEDATE:
            return b"SAVEDATE " + responses.internal_date(place.row.savedate)
        if row is None:
            raise NoSuchMessage
        return _OF_ROW[item](row)

    def _flags(self, place: Place) -> bytes:
        key = (place.row.flags, place.row.keywords, self._view.is_recent(place.uid))
        text = self._flag_texts.get(key)
        if text is None:
            text = self._flag_texts[key] = flags_text(self._view, place)
        return text


def flags_text(view: View, place: Place) -> bytes:
    """``(\\Seen $Forwarded \\Recent)`` of one message."""
    names = view.keywords
    keywords = [names[index] for index in place.row.keywords if index < len(names)]
    return responses.flag_list(place.row.flags, keywords, recent=view.is_recent(place.uid))


class _Body:
    """Sections of one stored message."""

    def __init__(self, engine: Engine, row: MessageRow) -> None:
        self._engine = engine
        self._row = row
        self._ref = row.body
        self._headers: dict[Span, bytes] = {}

    def begin(self, section: Section) -> tuple[bytes, Iterator[bytes] | None]:
        """Label, literal head and first octets of a section (all of a small one); then the iterator of what is left.

        Corrupt or NoSuchMessage when its first octets cannot be read.
        """
        span = locate(self._row, section)
        if span is None:
            return section.label + b" NIL", None
        if section.text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
            picked = select_fields(
                self._header(span), section.fields, exclude=section.text is SectionText.HEADER_FIELDS_NOT
            )
            cut = Span(0, len(picked)).cut(section.start, section.count)
            return section.label + b" " + responses.literal(picked[cut.start : cut.start + cut.length]), None
        cut = span.cut(section.start, section.count)
        head = section.label + b" " + responses.literal_head(cut.length)
        if not cut.length:
            return head, None
        chunks = bodies.chunks(self._engine, self._ref, cut.start, cut.length)
        first: list[bytes] = []
        left = cut.length
        while left and cut.length - left < _FLUSH:
            first.append(next(chunks, b""))
            left -= len(first[-1])
            if not first[-1]:
                raise NoSuchMessage("Some messages are shorter than they were")
        begun = head + b"".join(first)
        return begun, self._rest(chunks, left) if left else None

    def _rest(self, chunks: Iterator[bytes], left: int) -> Iterator[bytes]:
        try:
            for chunk in chunks:
                left -= len(chunk)
                yield chunk
        except (Corrupt, NoSuchMessage) as error:
            raise StreamBroken(error.text) from error
        if left:
            raise StreamBroken("body is shorter than announced")

    def _header(self, span: Span) -> bytes:
        header = self._headers.get(span)
        if header is None:
            header = self._headers[span] = bodies.read(self._engine, self._ref, span.start, span.length)
        return header
