"""The items of a FETCH answer that are no sections: each is one function from a message to ``NAME value``.

Owns their wording. The finished syntax of ENVELOPE and BODYSTRUCTURE was made at delivery and is copied as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xtramail.mailbox.view import Place, View
from xtramail.model.errors import NoSuchMessage
from xtramail.model.ids import id_text
from xtramail.store.records import MessageRow
from xtramail.wire.imap import responses
from xtramail.wire.imap.fetch_items import Attribute, Section, SectionText
from xtramail.wire.mime.header import field_selector

FROM_FLAGS = frozenset({Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ, Attribute.SAVEDATE})
"""Told without reading the message's own row."""


class FlagTexts:
    """``(\\Seen $Forwarded \\Recent)`` of the messages of a view; each combination is put together once."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[tuple[int, tuple[int, ...], bool], bytes] = {}

    def of(self, place: Place) -> bytes:
        row = place.row
        key = (row.flags, row.keywords, self._view.is_recent(place.uid))
        text = self._known.get(key)
        if text is None:
            names = self._view.keywords
            keywords = [names[index] for index in row.keywords if index < len(names)]
            text = self._known[key] = responses.flag_list(row.flags, keywords, recent=key[2])
        return text


Piece = Callable[[Place, MessageRow | None, FlagTexts], bytes]
HeaderPiece = Callable[[Place, MessageRow, FlagTexts, bytes], bytes]
"""The same, of a message whose header is there too."""
_OfRow = Callable[[MessageRow], bytes]


def _of_row(text: _OfRow) -> Piece:
    def piece(_place: Place, row: MessageRow | None, _flags: FlagTexts) -> bytes:
        if row is None:
            raise NoSuchMessage
        return text(row)

    return piece


PIECES: dict[Attribute, Piece] = {
    Attribute.UID: lambda place, row, flags: b"UID %d" % place.uid,
    Attribute.FLAGS: lambda place, row, flags: b"FLAGS " + flags.of(place),
    Attribute.MODSEQ: lambda place, row, flags: b"MODSEQ (%d)" % place.row.modseq,
    Attribute.SAVEDATE: lambda place, row, flags: b"SAVEDATE " + responses.internal_date(place.row.savedate),
    Attribute.INTERNALDATE: _of_row(lambda row: b"INTERNALDATE " + responses.internal_date(row.internaldate)),
    Attribute.RFC822_SIZE: _of_row(lambda row: b"RFC822.SIZE %d" % row.size),
    Attribute.ENVELOPE: _of_row(lambda row: b"ENVELOPE " + row.envelope),
    Attribute.BODY: _of_row(lambda row: b"BODY " + row.body_structure_plain),
    Attribute.BODYSTRUCTURE: _of_row(lambda row: b"BODYSTRUCTURE " + row.bodystructure),
    Attribute.EMAILID: _of_row(lambda row: b"EMAILID (%b)" % id_text(row.object_id).encode()),
    Attribute.THREADID: _of_row(lambda row: b"THREADID (%b)" % id_text(row.thread_id).encode()),
    Attribute.PREVIEW: _of_row(lambda row: b"PREVIEW " + responses.string(row.preview.encode())),
}


def header_pieces(wanted: Iterable[Attribute | Section]) -> tuple[HeaderPiece, ...] | None:
    """All of an item list, when its sections are fields of the message's own header, whole, and there is one."""
    pieces: list[HeaderPiece] = []
    sections = 0
    for item in wanted:
        if isinstance(item, Attribute):
            pieces.append(_without_header(PIECES[item]))
        elif item.path or item.text not in _OF_FIELDS or item.start is not None:
            return None
        else:
            sections += 1
            pieces.append(_fields(item))
    return tuple(pieces) if sections else None


_OF_FIELDS = frozenset({SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT})


def _without_header(piece: Piece) -> HeaderPiece:
    return lambda place, row, flags, _header: piece(place, row, flags)


def _fields(section: Section) -> HeaderPiece:
    select = field_selector(frozenset(section.fields), exclude=section.text is SectionText.HEADER_FIELDS_NOT)
    label = section.label

    def piece(_place: Place, _row: MessageRow, _flags: FlagTexts, header: bytes) -> bytes:
        picked = select(header)
        return b"%b {%d}\r\n%b" % (label, len(picked), picked)

    return piece
