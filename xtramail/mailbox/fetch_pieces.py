"""The items of a FETCH answer that are no streamed sections: for each a format, and what fills it in for many messages.

Owns their wording. An answer line is one format filled in: everything that can be done once for a block of messages
is not done for each of them. The finished syntax of ENVELOPE and BODYSTRUCTURE was made at delivery and is copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from xtramail.mailbox.block import Block
from xtramail.mailbox.view import Place, View
from xtramail.model.errors import Corrupt
from xtramail.model.ids import id_text
from xtramail.store import header_index, message_row
from xtramail.store.message_row import MessageRow
from xtramail.store.records import FlagRow
from xtramail.wire.imap import responses
from xtramail.wire.imap.fetch_items import Attribute, Section, SectionText
from xtramail.wire.mime.header import field_selector

FROM_FLAGS = frozenset({Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ, Attribute.SAVEDATE})
"""Told without reading the message's own row."""


# What follows tells media-message from parameters that are called so: those go on with a string.
_GLOBAL = re.compile(rb'\("message" "global" (?=[(N])')
_RFC822 = b'("message" "rfc822" '


class FlagTexts:
    """``(\\Seen $Forwarded \\Recent)`` of the messages of a view; each combination is put together once."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[tuple[int, tuple[int, ...], bool], bytes] = {}

    def of(self, place: Place) -> bytes:
        row = place.row
        key = (row.flags, row.keywords, self._view.is_recent(place.uid))
        return self._known.get(key) or self._made(key)

    def of_all(self, block: Block) -> list[bytes]:
        if self._view.any_recent:
            recent = self._view.is_recent
            keys = [(row.flags, row.keywords, recent(uid)) for uid, row in zip(block.uids, block.flags, strict=True)]
        else:
            keys = [(row.flags, row.keywords, False) for row in block.flags]
        known = self._known
        try:
            return [known[key] for key in keys]
        except KeyError:
            return [known.get(key) or self._made(key) for key in keys]

    def structures(self, texts: list[bytes]) -> list[bytes]:
        """Attached message/global is of the form of message/rfc822 in RFC 9051 alone: other clients read it as that."""
        if self._view.terms.rev2:
            return texts
        return [_GLOBAL.sub(_RFC822, text) if b'("message" "global" ' in text else text for text in texts]

    def _made(self, key: tuple[int, tuple[int, ...], bool]) -> bytes:
        flags, used, recent = key
        names = self._view.keywords
        keywords = [names[index] for index in used if index < len(names)]
        text = self._known[key] = responses.flag_list(flags, keywords, recent=recent)
        return text


@dataclass(frozen=True, slots=True)
class Piece:
    """``NAME value`` of messages: ``form`` takes one value out of each of the columns that ``columns`` gives.

    ``columns`` raises Corrupt when a listing cannot be had in one go.
    """

    form: bytes
    columns: Callable[[Block, FlagTexts], Sequence[Sequence[int | bytes]]]

    def texts(self, block: Block, flags: FlagTexts) -> list[bytes]:
        """Of each message of the block."""
        return [self.form % values for values in zip(*self.columns(block, flags), strict=True)]


def _moment(row: FlagRow) -> bytes:
    """NIL for a message that was saved before dates of it were kept (RFC 8514 §4.2)."""
    return responses.internal_date(row.savedate) if row.savedate else b"NIL"


def _thread(thread_id: int) -> bytes:
    """RFC 8474 §5.2: NIL for a message in no thread."""
    return b"(%b)" % id_text(thread_id).encode() if thread_id else b"NIL"


def _preview(text: str) -> bytes:
    """RFC 8970 §4. Mail may hold control characters, and a NUL would break even a literal."""
    if not text.isprintable():
        text = "".join(character for character in text if character >= " " and character != "\x7f")
    return responses.string(text.encode())


def _of_rows(name: bytes, told: Callable[[MessageRow], bytes]) -> Piece:
    return Piece(name + b" %b", lambda block, flags: [[told(row) for row in block.rows]])


PIECES: dict[Attribute, Piece] = {
    Attribute.UID: Piece(b"UID %d", lambda block, flags: [block.uids]),
    Attribute.FLAGS: Piece(b"FLAGS %b", lambda block, flags: [flags.of_all(block)]),
    Attribute.MODSEQ: Piece(b"MODSEQ (%d)", lambda block, flags: [[row.modseq for row in block.flags]]),
    Attribute.SAVEDATE: Piece(b"SAVEDATE %b", lambda block, flags: [[_moment(row) for row in block.flags]]),
    Attribute.INTERNALDATE: Piece(
        b"INTERNALDATE %b", lambda block, flags: [responses.internal_dates([fixed[1] for fixed in block.listed])]
    ),
    Attribute.RFC822_SIZE: Piece(b"RFC822.SIZE %d", lambda block, flags: [[fixed[0] for fixed in block.listed]]),
    Attribute.ENVELOPE: Piece(
        b"ENVELOPE %b", lambda block, flags: [message_row.envelopes(block.values, block.listed)]
    ),
    Attribute.BODY: Piece(
        b"BODY %b", lambda block, flags: [flags.structures(message_row.plain_structures(block.values, block.listed))]
    ),
    Attribute.BODYSTRUCTURE: Piece(
        b"BODYSTRUCTURE %b",
        lambda block, flags: [flags.structures(message_row.bodystructures(block.values, block.listed))],
    ),
    Attribute.EMAILID: _of_rows(b"EMAILID", lambda row: b"(%b)" % id_text(row.object_id).encode()),
    Attribute.THREADID: _of_rows(b"THREADID", lambda row: _thread(row.thread_id)),
    Attribute.PREVIEW: _of_rows(b"PREVIEW", lambda row: _preview(row.preview)),
}


class Listing:
    """All of an item list, when its sections, if any, are fields of the message's own header, whole."""

    __slots__ = ("_form", "_pieces")

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = tuple(pieces)
        self._form = responses.fetch_form(b" ".join(piece.form for piece in self._pieces))

    def lines(self, block: Block, flags: FlagTexts) -> bytes:
        """Corrupt when some of it has to be told message by message."""
        columns: list[Sequence[int | bytes]] = [block.numbers]
        for piece in self._pieces:
            columns += piece.columns(block, flags)
        return (self._form * len(block)) % tuple(chain.from_iterable(zip(*columns, strict=True)))


def told_of(*wanted: Attribute) -> Listing:
    """These items of each message, in this order."""
    return Listing(PIECES[item] for item in wanted)


def listing(wanted: Iterable[Attribute | Section]) -> Listing | None:
    """None when some item is another kind of section."""
    pieces: list[Piece] = []
    for item in wanted:
        if isinstance(item, Attribute):
            pieces.append(PIECES[item])
        elif item.path or item.text not in _OF_FIELDS or item.start is not None:
            return None
        else:
            pieces.append(_fields(item))
    return Listing(pieces)


_OF_FIELDS = frozenset({SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT})


def _fields(section: Section) -> Piece:
    names, exclude = frozenset(section.fields), section.text is SectionText.HEADER_FIELDS_NOT
    select = field_selector(names, exclude=exclude)
    picker = None if exclude else header_index.picker(names)

    def columns(block: Block, _flags: FlagTexts) -> Sequence[Sequence[int | bytes]]:
        if len(block.headers) != len(block):
            raise Corrupt("A header is damaged or gone")
        if picker is None:
            picked = list(map(select, block.whole_headers()))
        elif all(chunk[0] == header_index.INDEXED[0] for chunk in block.headers):
            picked = list(map(picker.pick, block.headers))
        else:
            picked = [
                picker.pick(chunk) if chunk[0] == header_index.INDEXED[0] else select(header)
                for chunk, header in zip(block.headers, block.whole_headers(), strict=True)
            ]
        return [list(map(len, picked)), picked]

    # A per cent sign in a field's name is no place of the format.
    return Piece(section.label.replace(b"%", b"%%") + b" {%d}\r\n%b", columns)
