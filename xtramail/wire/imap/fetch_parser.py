"""Grammar of FETCH data items (RFC 3501 §9 ``fetch-att``), compiled once per text.

Clients send the same few lists for ever, so a list is kept by its text: the second time costs one look-up.
"""

from __future__ import annotations

import re
from functools import lru_cache

from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.fetch_items import Attribute, FetchItem, FetchItems, Section, SectionText
from xtramail.wire.imap.lexer import MAX_NUMBER64, Cursor
from xtramail.wire.imap.responses import astring

_NAME = re.compile(rb"[A-Za-z0-9.]+")
# A macro stands alone, never in a list (RFC 3501 §6.4.5).
_MACRO = re.compile(rb"(?:ALL|FAST|FULL)(?= |\Z)", re.IGNORECASE)
# partial = "<" number64 "." nz-number64 ">" (RFC 9051 §9)
_PARTIAL = re.compile(rb"<([0-9]{1,19})\.([0-9]{1,19})>")
_CACHED_OCTETS = 2048
_MOST_NUMBER = 0xFFFF_FFFF
_MOST_PART_DEPTH = 64
_MOST_SECTIONS = 200
_MOST_FIELDS = 1_000
"""Of one FETCH, sections and header fields named in all of them: each is compiled, for a third of a millisecond."""

_FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
_MACROS: dict[bytes, tuple[FetchItem, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Attribute.ENVELOPE),
    b"FULL": (*_FAST, Attribute.ENVELOPE, Attribute.BODY),
}
_ATTRIBUTES: dict[bytes, Attribute] = {attribute.value: attribute for attribute in Attribute}
# RFC 3501 §6.4.5: functionally equivalent to BODY[], BODY.PEEK[HEADER] and BODY[TEXT].
_SYNONYMS: dict[bytes, Section] = {
    b"RFC822": Section(label=b"RFC822", path=(), text=SectionText.WHOLE, peek=False),
    b"RFC822.HEADER": Section(label=b"RFC822.HEADER", path=(), text=SectionText.HEADER, peek=True),
    b"RFC822.TEXT": Section(label=b"RFC822.TEXT", path=(), text=SectionText.TEXT, peek=False),
}
_NEEDS: dict[Attribute, str] = {
    Attribute.MODSEQ: "CONDSTORE",
    Attribute.EMAILID: "OBJECTID",
    Attribute.THREADID: "OBJECTID",
    Attribute.SAVEDATE: "SAVEDATE",
    Attribute.PREVIEW: "PREVIEW",
}
_BINARY: dict[bytes, SectionText] = {
    b"BINARY": SectionText.BINARY,
    b"BINARY.PEEK": SectionText.BINARY,
    b"BINARY.SIZE": SectionText.BINARY_SIZE,
}
_SECTION_TEXTS: dict[bytes, SectionText] = {
    text.value.encode(): text for text in SectionText if text.value and text not in _BINARY.values()
}


def parse_fetch_items(text: bytes) -> FetchItems:
    """The whole of ``text`` as macro, one item or a parenthesized list; BadSyntax otherwise, Declined for very many."""
    return _cached(text) if len(text) <= _CACHED_OCTETS else _parse(text)


def read_fetch_items(cursor: Cursor) -> FetchItems:
    """Items at the cursor, which then stands behind them; for texts where something follows."""
    macro = _MACRO.match(cursor.octets, cursor.at)
    if macro is not None:
        cursor.at = macro.end()
        return _compiled(_MACROS[macro.group().upper()])
    if not cursor.take(b"("):
        return _compiled((_item(cursor),))
    items = [_item(cursor)]
    while cursor.take(b" "):
        items.append(_item(cursor))
    cursor.expect(b")")
    return _compiled(tuple(dict.fromkeys(items)))


def _parse(text: bytes) -> FetchItems:
    cursor = Cursor(text)
    items = read_fetch_items(cursor)
    cursor.finish()
    return items


_cached = lru_cache(maxsize=1024)(_parse)


def _compiled(items: tuple[FetchItem, ...]) -> FetchItems:
    sections = [item for item in items if isinstance(item, Section)]
    if len(sections) > _MOST_SECTIONS:
        raise Declined(f"More than {_MOST_SECTIONS} sections of messages", b"LIMIT")
    if sum(len(section.fields) for section in sections) > _MOST_FIELDS:
        raise Declined(f"More than {_MOST_FIELDS} header fields", b"LIMIT")
    return FetchItems(
        items=items,
        sets_seen=any(isinstance(item, Section) and not item.peek for item in items),
        needs=frozenset(need for item in items if (need := _need(item))),
    )


def _need(item: FetchItem) -> str:
    if isinstance(item, Section):
        return "BINARY" if item.text in _BINARY.values() else ""
    return _NEEDS.get(item, "")


def _item(cursor: Cursor) -> FetchItem:
    match = _NAME.match(cursor.octets, cursor.at)
    if match is None:
        raise BadSyntax("Expected a FETCH item")
    name = match.group().upper()
    cursor.at = match.end()
    if cursor.take(b"["):
        if name in _BINARY:
            return _binary(cursor, name)
        if name not in (b"BODY", b"BODY.PEEK"):
            raise BadSyntax("Only BODY and BODY.PEEK take a section")
        return _section(cursor, name == b"BODY.PEEK")
    attribute = _ATTRIBUTES.get(name)
    if attribute is None:
        synonym = _SYNONYMS.get(name)
        if synonym is None:
            raise BadSyntax("Unknown FETCH item")
        return synonym
    if attribute is Attribute.PREVIEW and cursor.take(b" ("):
        # RFC 8970 §3.1: LAZY lets us answer NIL, which is never needed with stored previews.
        if cursor.word() != b"LAZY":
            raise BadSyntax("Unknown PREVIEW modifier")
        cursor.expect(b")")
    return attribute


def _section(cursor: Cursor, peek: bool) -> Section:
    """section = "[" [section-spec] "]" ["<" number "." nz-number ">"]; the cursor stands behind "["."""
    path, named = _section_spec(cursor)
    text = SectionText.WHOLE
    if named:
        found = _SECTION_TEXTS.get(named)
        if found is None or (found is SectionText.MIME and not path):
            raise BadSyntax("Unknown BODY section")
        text = found
    label = b".".join([*(b"%d" % number for number in path), *([named] if named else [])])
    fields: tuple[bytes, ...] = ()
    if text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
        spelled = _field_names(cursor)
        label += b" (" + b" ".join(astring(field) for field in spelled) + b")"
        fields = tuple(field.lower() for field in spelled)
    cursor.expect(b"]")
    label = b"BODY[" + label + b"]"
    start, count, origin = _partial(cursor)
    return Section(label=label + origin, path=path, text=text, fields=fields, peek=peek, start=start, count=count)


def _binary(cursor: Cursor, name: bytes) -> Section:
    """section-binary = "[" [section-part] "]", behind its "[" (RFC 3516 §7)."""
    path, named = _section_spec(cursor)
    if named:
        raise BadSyntax("BINARY takes part numbers only")
    cursor.expect(b"]")
    text = _BINARY[name]
    is_size = text is SectionText.BINARY_SIZE
    start, count, origin = (None, None, b"") if is_size else _partial(cursor)
    label = text.value.encode() + b"[" + b".".join(b"%d" % number for number in path) + b"]" + origin
    peek = is_size or name == b"BINARY.PEEK"
    return Section(label=label, path=path, text=text, peek=peek, start=start, count=count)


def _partial(cursor: Cursor) -> tuple[int | None, int | None, bytes]:
    """``["<" number "." nz-number ">"]``: first octet, count, and how the answer names the origin."""
    if not cursor.follows(b"<"):
        return None, None, b""
    partial = _PARTIAL.match(cursor.octets, cursor.at)
    if partial is None:
        raise BadSyntax("Partial is malformed; write it as <0.1024>")
    cursor.at = partial.end()
    start, count = int(partial.group(1)), int(partial.group(2))
    if start > MAX_NUMBER64 or not 0 < count <= MAX_NUMBER64:
        raise BadSyntax("Partial is out of range")
    # The answer names the origin octet only (RFC 3501 §7.4.2).
    return start, count, b"<%d>" % start


def _section_spec(cursor: Cursor) -> tuple[tuple[int, ...], bytes]:
    """``1.2.HEADER`` to part numbers and the name behind them, upper-case, either may be empty."""
    match = _NAME.match(cursor.octets, cursor.at)
    if match is None:
        return (), b""
    cursor.at = match.end()
    words = match.group().upper().split(b".")
    path: list[int] = []
    while len(path) < len(words) and words[len(path)].isdigit():
        word = words[len(path)]
        number = int(word) if len(word) <= 10 else 0
        if not 0 < number <= _MOST_NUMBER or len(path) >= _MOST_PART_DEPTH:
            raise BadSyntax("Part number is out of range")
        path.append(number)
    named = b".".join(words[len(path) :])
    if not named and len(words) > len(path):
        raise BadSyntax("BODY section is malformed")
    return tuple(path), named


def _field_names(cursor: Cursor) -> list[bytes]:
    """header-list = "(" header-fld-name *(SP header-fld-name) ")"."""
    cursor.expect(b" (")
    names = [cursor.astring()]
    while cursor.take(b" "):
        names.append(cursor.astring())
    cursor.expect(b")")
    return names
