"""Where the octets of a FETCH section lie in a stored message.

Owns RFC 9051 §6.4.5.1's part numbers over the part table made at delivery. Reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.message import Part
from xtramail.store.records import MessageRow
from xtramail.wire.imap.fetch_items import Section, SectionText

_WHOLE = frozenset({SectionText.WHOLE, SectionText.BINARY, SectionText.BINARY_SIZE})
_HEADERS = frozenset({SectionText.HEADER, SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT})


@dataclass(frozen=True, slots=True)
class Span:
    """Octets of the stored message: from ``start``, ``length`` many."""

    start: int
    length: int

    def cut(self, start: int | None, count: int | None) -> Span:
        """The partial ``<start.count>`` of it: what is there of it, nothing past the end (RFC 9051 §6.4.5)."""
        if start is None:
            return self
        begin = min(start, self.length)
        left = self.length - begin
        return Span(self.start + begin, left if count is None else min(count, left))


def locate(row: MessageRow, section: Section) -> Span | None:
    """The octets that ``section`` names, before its partial; for header fields the header they are picked from.

    None when the message has no such part (answered NIL).
    """
    if not section.path:
        return of_message(0, row.header_length, row.size, section.text)
    parts = {part.path: part for part in row.parts}
    part = parts.get(section.path)
    if part is not None:
        return _of_part(part, section.text)
    return _only_part(row, parts, section)


def of_message(start: int, header_length: int, size: int, text: SectionText) -> Span | None:
    """The same for a message that begins at ``start``, of which no part is asked for."""
    if text in _WHOLE:
        return Span(start, size)
    if text in _HEADERS:
        return Span(start, header_length)
    if text is SectionText.TEXT:
        return Span(start + header_length, size - header_length)
    return None


def _of_part(part: Part, text: SectionText) -> Span | None:
    if text is SectionText.MIME:
        return Span(part.mime_at, part.mime_length)
    if text in _WHOLE:
        return Span(part.body_at, part.body_length)
    if part.inner_header_length < 0:
        # HEADER and TEXT of a part are those of the message it carries.
        return None
    return of_message(part.body_at, part.inner_header_length, part.body_length, text)


def _only_part(row: MessageRow, parts: dict[tuple[int, ...], Part], section: Section) -> Span | None:
    """Part 1 of a message that is not multipart is its text, also of a message inside another."""
    if section.path[-1] != 1:
        return None
    outer = section.path[:-1]
    if not outer:
        top = parts.get(())
        if any(len(path) == 1 for path in parts) or (top is not None and top.content_type.startswith("multipart/")):
            return None
        if section.text is SectionText.MIME:
            return Span(0, row.header_length)
        if section.text in _WHOLE:
            return Span(row.header_length, row.size - row.header_length)
        if top is None or top.inner_header_length < 0:
            return None
        return of_message(top.body_at, top.inner_header_length, top.body_length, section.text)
    part = parts.get(outer)
    if part is None or part.inner_header_length < 0 or any(path[:-1] == outer for path in parts):
        return None
    if section.text is SectionText.MIME:
        return Span(part.body_at, part.inner_header_length)
    if section.text in _WHOLE:
        return Span(part.body_at + part.inner_header_length, part.body_length - part.inner_header_length)
    return None
