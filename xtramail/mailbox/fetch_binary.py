"""BINARY and BINARY.SIZE (RFC 3516): parts without their transfer encoding, streamed like any other section.

A literal's length comes before it, so a large part is decoded twice and never held; a small one once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xtramail.mailbox.sections import Span, locate
from xtramail.mailbox.transfer_decoding import Decoder, Identity, decoder_of
from xtramail.model.errors import NoSuchMessage, UnknownEncoding
from xtramail.store import bodies
from xtramail.store.engine import Engine
from xtramail.store.records import MessageRow
from xtramail.wire.imap import responses
from xtramail.wire.imap.fetch_items import Section, SectionText

BINARY_TEXTS = frozenset({SectionText.BINARY, SectionText.BINARY_SIZE})
_KEPT = 128 * 1024
"""A part of so many decoded octets is kept between measuring and serving."""


@dataclass(slots=True)
class _Part:
    span: Span
    size: int = 0
    has_nul: bool = False
    octets: list[bytes] | None = None
    """All of it, where it is small."""


class BinaryParts:
    """Those of one message. :meth:`measure` each section, then :meth:`begin` it."""

    def __init__(self, engine: Engine, row: MessageRow) -> None:
        self._engine = engine
        self._row = row
        self._parts: dict[tuple[int, ...], _Part | None] = {}

    def measure(self, section: Section) -> Iterator[bytes]:
        """Empty pieces, at each of which others may have their turn. UnknownEncoding; Corrupt, NoSuchMessage."""
        if section.path in self._parts:
            return
        span = locate(self._row, section)
        if span is None:
            self._parts[section.path] = None
            return
        part = self._parts[section.path] = _Part(span)
        kept: list[bytes] = []
        for octets in self._decoded(span, self._decoder(section.path)):
            part.size += len(octets)
            part.has_nul = part.has_nul or b"\0" in octets
            if part.size <= _KEPT:
                kept.append(octets)
            yield b""
        if part.size <= _KEPT:
            part.octets = kept

    def begin(self, section: Section) -> tuple[bytes, Iterator[bytes] | None]:
        """Label and literal head, and the octets behind it."""
        part = self._parts[section.path]
        if section.text is SectionText.BINARY_SIZE:
            return section.label + b" %d" % (part.size if part is not None else 0), None
        if part is None:
            return section.label + b" NIL", None
        cut = Span(0, part.size).cut(section.start, section.count)
        # literal8 only where a plain one could not carry it (RFC 3516 §4.2): some clients read no other.
        head = section.label + (b" ~" if part.has_nul else b" ") + responses.literal_head(cut.length)
        return head, self._cut(part, section.path, cut) if cut.length else None

    def _cut(self, part: _Part, path: tuple[int, ...], cut: Span) -> Iterator[bytes]:
        if part.octets is not None:
            yield b"".join(part.octets)[cut.start : cut.start + cut.length]
            return
        at = 0
        end = cut.start + cut.length
        for octets in self._decoded(part.span, self._decoder(path)):
            begin, at = at, at + len(octets)
            if at > cut.start and octets:
                yield octets[max(cut.start - begin, 0) : end - begin]
            if at >= end:
                return

    def _decoded(self, span: Span, decoder: Decoder) -> Iterator[bytes]:
        left = span.length
        for chunk in bodies.chunks(self._engine, self._row.body, span.start, span.length) if left else ():
            left -= len(chunk)
            yield decoder.feed(chunk)
        if left:
            raise NoSuchMessage("Some messages are shorter than they were")
        yield decoder.finish()

    def _decoder(self, path: tuple[int, ...]) -> Decoder:
        """The whole message, a multipart and a message inside have no encoding of their own (RFC 2045 §6.4)."""
        part = next((part for part in self._row.parts if part.path == path), None)
        if not path or part is None or part.content_type.startswith(("multipart/", "message/rfc822")):
            return Identity()
        decoder = decoder_of(part.encoding)
        if decoder is None:
            raise UnknownEncoding("The transfer encoding of this part is not known")
        return decoder
