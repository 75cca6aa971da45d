"""Grammar of SEARCH keys (RFC 3501 §9 ``search-key``), iterative: depth costs list entries, never Python frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from xtramail.model.flags import Flag
from xtramail.wire.imap.charsets import charset_codec
from xtramail.wire.imap.dates import parse_date
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.message_sets import read_message_set
from xtramail.wire.imap.search_keys import (
    And,
    BodyContains,
    Comparison,
    DateField,
    DateIs,
    Everything,
    HasEmailId,
    HasFlag,
    HasKeyword,
    HasThreadId,
    HeaderContains,
    InNumbers,
    InUids,
    IsRecent,
    Larger,
    ModSeqAtLeast,
    Not,
    OlderThan,
    Or,
    Recency,
    SearchKey,
    Smaller,
    TextContains,
    YoungerThan,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRules:
    """What this connection takes: depth of nesting, ranges of a set, capabilities that open further keys."""

    depth: int = 32
    ranges: int = 1_000
    offered: frozenset[str] = frozenset()
    takes_charset: bool = True
    """False: SEARCH must not name one (RFC 6855 §3); SORT and THREAD always do."""


@dataclass(slots=True)
class _Reading:
    """One SEARCH under way."""

    cursor: Cursor
    codec: str
    rules: SearchRules
    uses_modseq: bool = False

    def text(self) -> str:
        """astring in the search's charset."""
        self.cursor.space()
        try:
            return self.cursor.astring().decode(self.codec)
        except (UnicodeError, LookupError):
            raise BadSyntax("Search string is not in the charset of the search") from None


class _Shape(Enum):
    LIST = "list"
    NOT = "not"
    OR = "or"


@dataclass(slots=True)
class _Open:
    """A key whose operands are still being read."""

    shape: _Shape
    keys: list[SearchKey] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ParsedSearch:
    key: SearchKey
    uses_modseq: bool


def parse_search(cursor: Cursor, rules: SearchRules) -> ParsedSearch:
    """``[CHARSET name SP] key *(SP key)`` to the end of the command. BadSyntax; Declined with BADCHARSET or LIMIT."""
    # RFC 3501 has US-ASCII here; UTF-8 includes it and is what clients mean when they send 8-bit octets all the same.
    if cursor.octets[cursor.at : cursor.at + 8].upper() == b"CHARSET ":
        if not rules.takes_charset:
            raise BadSyntax("SEARCH takes no charset after ENABLE UTF8=ACCEPT")
        cursor.at += 8
        return parse_search_in_charset(cursor, rules)
    return _parsed(cursor, "utf_8", rules)


def parse_search_in_charset(cursor: Cursor, rules: SearchRules) -> ParsedSearch:
    """``name SP key *(SP key)``, as :func:`parse_search`: SORT and THREAD always name the charset (RFC 5256 §3)."""
    codec = charset_codec(cursor.astring())
    if codec is None:
        raise Declined("Charset is not known", b"BADCHARSET (UTF-8 US-ASCII)")
    cursor.space()
    return _parsed(cursor, codec, rules)


def _parsed(cursor: Cursor, codec: str, rules: SearchRules) -> ParsedSearch:
    reading = _Reading(cursor, codec, rules)
    key = _keys(reading)
    return ParsedSearch(key, reading.uses_modseq)


def _keys(reading: _Reading) -> SearchKey:
    cursor = reading.cursor
    stack = [_Open(_Shape.LIST)]
    while True:
        key = _leaf(reading, stack)
        if key is None:
            if len(stack) > reading.rules.depth:
                raise BadSyntax("Search is nested too deep")
            continue
        while True:
            top = stack[-1]
            top.keys.append(key)
            if top.shape is _Shape.NOT:
                key = Not(stack.pop().keys[0])
            elif top.shape is _Shape.OR:
                if len(top.keys) < 2:
                    break
                left, right = stack.pop().keys
                key = Or(left, right)
            elif len(stack) > 1:
                if not cursor.take(b")"):
                    break
                key = _joined(stack.pop().keys)
            else:
                if cursor.done or cursor.octets[cursor.at :] == b" ":
                    return _joined(top.keys)
                break
        cursor.space()


def _joined(keys: list[SearchKey]) -> SearchKey:
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def _leaf(reading: _Reading, stack: list[_Open]) -> SearchKey | None:
    """The key at the cursor; None when it only opened a list, NOT or OR, now on the stack."""
    cursor = reading.cursor
    if cursor.take(b"("):
        stack.append(_Open(_Shape.LIST))
        return None
    if cursor.octets[cursor.at : cursor.at + 1] in _SET_START:
        return InNumbers(read_message_set(cursor, reading.rules.ranges, reading.rules.offered))
    word = cursor.word()
    plain = _PLAIN.get(word)
    if plain is not None:
        return plain
    if word == b"NOT" or word == b"OR":
        cursor.space()
        stack.append(_Open(_Shape.NOT if word == b"NOT" else _Shape.OR))
        return None
    read = _WITH_ARGUMENT.get(word)
    need = _NEEDS.get(word)
    if read is None or (need is not None and need not in reading.rules.offered):
        raise BadSyntax("Unknown SEARCH key")
    return read(reading)


_SET_START = frozenset((b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"*", b"$"))

_PLAIN: dict[bytes, SearchKey] = {
    b"ALL": Everything(),
    b"ANSWERED": HasFlag(Flag.ANSWERED, True),
    b"DELETED": HasFlag(Flag.DELETED, True),
    b"DRAFT": HasFlag(Flag.DRAFT, True),
    b"FLAGGED": HasFlag(Flag.FLAGGED, True),
    b"SEEN": HasFlag(Flag.SEEN, True),
    b"UNANSWERED": HasFlag(Flag.ANSWERED, False),
    b"UNDELETED": HasFlag(Flag.DELETED, False),
    b"UNDRAFT": HasFlag(Flag.DRAFT, False),
    b"UNFLAGGED": HasFlag(Flag.FLAGGED, False),
    b"UNSEEN": HasFlag(Flag.SEEN, False),
    b"NEW": IsRecent(Recency.NEW),
    b"OLD": IsRecent(Recency.OLD),
    b"RECENT": IsRecent(Recency.RECENT),
}


def _header_of(name: str) -> Callable[[_Reading], SearchKey]:
    return lambda reading: HeaderContains(name, reading.text())


def _header(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    # A field name is ASCII; any other is no field of any message.
    name = reading.cursor.astring().decode("latin-1").lower()
    return HeaderContains(name, reading.text())


def _body(reading: _Reading) -> SearchKey:
    return BodyContains(reading.text())


def _text(reading: _Reading) -> SearchKey:
    return TextContains(reading.text())


def _keyword(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return HasKeyword(reading.cursor.atom().decode("ascii"), True)


def _unkeyword(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return HasKeyword(reading.cursor.atom().decode("ascii"), False)


def _larger(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return Larger(reading.cursor.number64())


def _smaller(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return Smaller(reading.cursor.number64())


def _uid(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return InUids(read_message_set(reading.cursor, reading.rules.ranges, reading.rules.offered))


def _older(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return OlderThan(reading.cursor.number(least=1))


def _younger(reading: _Reading) -> SearchKey:
    reading.cursor.space()
    return YoungerThan(reading.cursor.number(least=1))


def _modseq(reading: _Reading) -> SearchKey:
    """``MODSEQ [entry-name SP entry-type SP] value`` (RFC 7162 §3.1.5); entries are not kept apart, which it allows."""
    cursor = reading.cursor
    cursor.space()
    if cursor.follows(b'"'):
        cursor.string()
        cursor.space()
        if cursor.word() not in (b"PRIV", b"SHARED", b"ALL"):
            raise BadSyntax("Unknown MODSEQ entry type")
        cursor.space()
    reading.uses_modseq = True
    return ModSeqAtLeast(cursor.modseq())


def _object_id(kind: type[HasEmailId] | type[HasThreadId]) -> Callable[[_Reading], SearchKey]:
    """objectid = 1*255(ALPHA / DIGIT / "_" / "-") (RFC 8474 §7); what is none of ours fits nothing."""

    def read(reading: _Reading) -> SearchKey:
        reading.cursor.space()
        return kind(reading.cursor.atom())

    return read


def _day(date_field: DateField, comparison: Comparison) -> Callable[[_Reading], SearchKey]:
    def read(reading: _Reading) -> SearchKey:
        reading.cursor.space()
        return DateIs(date_field, comparison, parse_date(reading.cursor.astring()))

    return read


_WITH_ARGUMENT: dict[bytes, Callable[[_Reading], SearchKey]] = {
    b"BCC": _header_of("bcc"),
    b"CC": _header_of("cc"),
    b"FROM": _header_of("from"),
    b"SUBJECT": _header_of("subject"),
    b"TO": _header_of("to"),
    b"HEADER": _header,
    b"BODY": _body,
    b"TEXT": _text,
    b"KEYWORD": _keyword,
    b"UNKEYWORD": _unkeyword,
    b"LARGER": _larger,
    b"SMALLER": _smaller,
    b"UID": _uid,
    b"OLDER": _older,
    b"YOUNGER": _younger,
    b"MODSEQ": _modseq,
    b"EMAILID": _object_id(HasEmailId),
    b"THREADID": _object_id(HasThreadId),
    b"SAVEDATESUPPORTED": lambda _reading: Everything(),
    **{comparison.name.encode(): _day(DateField.INTERNAL, comparison) for comparison in Comparison},
    **{b"SENT" + comparison.name.encode(): _day(DateField.SENT, comparison) for comparison in Comparison},
    **{b"SAVED" + comparison.name.encode(): _day(DateField.SAVED, comparison) for comparison in Comparison},
}

_NEEDS: dict[bytes, str] = {
    b"OLDER": "WITHIN",
    b"YOUNGER": "WITHIN",
    b"MODSEQ": "CONDSTORE",
    b"EMAILID": "OBJECTID",
    b"THREADID": "OBJECTID",
    b"SAVEDATESUPPORTED": "SAVEDATE",
    **{b"SAVED" + comparison.name.encode(): "SAVEDATE" for comparison in Comparison},
}
