"""Flags and keywords in STORE and APPEND (RFC 3501 §2.3.2, §9)."""

from __future__ import annotations

from functools import lru_cache

from xtramail.model.flags import FLAG_BY_NAME, MAX_KEYWORDS, Flag
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.lexer import Cursor

# A Flag for each set of bits: joining IntFlags one by one costs more than the rest of a STORE.
_FLAG_SETS: tuple[Flag, ...] = tuple(Flag(bits) for bits in range(32))
_MOST_KEYWORD_OCTETS = 128
_CACHED_OCTETS = 256


def _parse_all(text: bytes) -> tuple[Flag, tuple[str, ...]]:
    cursor = Cursor(text)
    parsed = parse_flags(cursor)
    cursor.finish()
    return parsed


_cached = lru_cache(maxsize=256)(_parse_all)


def parse_last_flags(cursor: Cursor) -> tuple[Flag, tuple[str, ...]]:
    """Flags that end the command. Few texts occur, again and again, so each is read once."""
    text = cursor.octets[cursor.at :]
    return _cached(text) if len(text) <= _CACHED_OCTETS else _parse_all(text)


def parse_flags(cursor: Cursor) -> tuple[Flag, tuple[str, ...]]:
    """``(\\Seen $Forwarded)``, or the same bare as STORE also allows; the cursor stands behind it.

    ``\\Recent`` cannot be set by a client and is passed over (RFC 3501 §2.3.2). Keywords keep their spelling,
    once each.
    """
    bits = 0
    keywords: dict[str, str] = {}
    parenthesized = cursor.take(b"(")
    if parenthesized and cursor.take(b")"):
        return _FLAG_SETS[0], ()
    while True:
        if cursor.take(b"\\"):
            name = b"\\" + cursor.atom().lower()
            flag = FLAG_BY_NAME.get(name)
            if flag is not None:
                bits |= flag.value
            elif name != b"\\recent":
                raise BadSyntax("No such system flag")
        else:
            keyword = cursor.atom().decode("ascii")
            if len(keyword) > _MOST_KEYWORD_OCTETS:
                raise Declined(f"Keyword is longer than {_MOST_KEYWORD_OCTETS} octets", b"LIMIT")
            keywords.setdefault(keyword.lower(), keyword)
        if not cursor.take(b" "):
            break
    if parenthesized:
        cursor.expect(b")")
    if len(keywords) > MAX_KEYWORDS:
        raise Declined(f"More than {MAX_KEYWORDS} keywords", b"LIMIT")
    return _FLAG_SETS[bits], tuple(keywords.values())
