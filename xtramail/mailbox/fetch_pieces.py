"""The items of a FETCH answer that are no sections: each is one function from a message to ``NAME value``.

Owns their wording. The finished syntax of ENVELOPE and BODYSTRUCTURE was made at delivery and is copied as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xtramail.mailbox.view import Place, View
from xtramail.model.bucket import PERMANENT
from xtramail.model.ids import id_text
from xtramail.store.message_row import BodyRef, MessageRow
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


Piece = Callable[[Place, MessageRow, FlagTexts, bytes], bytes]
"""``NAME value`` of a message; its row is NO_ROW and its header empty where the list has no use for them."""

NO_ROW = MessageRow(
    size=0,
    internaldate=0,
    body=BodyRef(bucket=PERMANENT, id=0, size=0, header_length=0),
    object_id=0,
    header_length=0,
    envelope=b"",
    bodystructure=b"",
    body_structure_plain=b"",
)


def _moment(savedate: int) -> bytes:
    """NIL for a message that was saved before dates of it were kept (RFC 8514 §4.2)."""
    return responses.internal_date(savedate) if savedate else b"NIL"


def _thread(thread_id: int) -> bytes:
    """RFC 8474 §5.2: NIL for a message in no thread."""
    return b"(%b)" % id_text(thread_id).encode() if thread_id else b"NIL"


def _preview(text: str) -> bytes:
    """RFC 8970 §4. Mail may hold control characters, and a NUL would break even a literal."""
    if not text.isprintable():
        text = "".join(character for character in text if character >= " " and character != "\x7f")
    return responses.string(text.encode())


PIECES: dict[Attribute, Piece] = {
    Attribute.UID: lambda place, row, flags, header: b"UID %d" % place.uid,
    Attribute.FLAGS: lambda place, row, flags, header: b"FLAGS " + flags.of(place),
    Attribute.MODSEQ: lambda place, row, flags, header: b"MODSEQ (%d)" % place.row.modseq,
    Attribute.SAVEDATE: lambda place, row, flags, header: b"SAVEDATE " + _moment(place.row.savedate),
    Attribute.INTERNALDATE: lambda place, row, flags, header: (
        b"INTERNALDATE " + responses.internal_date(row.internaldate)
    ),
    Attribute.RFC822_SIZE: lambda place, row, flags, header: b"RFC822.SIZE %d" % row.size,
    Attribute.ENVELOPE: lambda place, row, flags, header: b"ENVELOPE " + row.envelope,
    Attribute.BODY: lambda place, row, flags, header: b"BODY " + row.body_structure_plain,
    Attribute.BODYSTRUCTURE: lambda place, row, flags, header: b"BODYSTRUCTURE " + row.bodystructure,
    Attribute.EMAILID: lambda place, row, flags, header: b"EMAILID (%b)" % id_text(row.object_id).encode(),
    Attribute.THREADID: lambda place, row, flags, header: b"THREADID " + _thread(row.thread_id),
    Attribute.PREVIEW: lambda place, row, flags, header: b"PREVIEW " + _preview(row.preview),
}


def listing(wanted: Iterable[Attribute | Section]) -> tuple[Piece, ...] | None:
    """All of an item list, when its sections, if any, are fields of the message's own header, whole."""
    pieces: list[Piece] = []
    for item in wanted:
        if isinstance(item, Attribute):
            pieces.append(PIECES[item])
        elif item.path or item.text not in _OF_FIELDS or item.start is not None:
            return None
        else:
            pieces.append(_fields(item))
    return tuple(pieces)


_OF_FIELDS = frozenset({SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT})


def _fields(section: Section) -> Piece:
    select = field_selector(frozenset(section.fields), exclude=section.text is SectionText.HEADER_FIELDS_NOT)
    label = section.label

    def piece(_place: Place, _row: MessageRow, _flags: FlagTexts, header: bytes) -> bytes:
        picked = select(header)
        return b"%b {%d}\r\n%b" % (label, len(picked), picked)

    return piece
