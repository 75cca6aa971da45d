"""RETURN options of SEARCH: their values and their grammar (RFC 4731 §3.1, RFC 5182 §2.1, RFC 9394 §3.1).

Also the range of PARTIAL, which FETCH takes as well (RFC 9394 §3.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.lexer import MAX_NUMBER, Cursor

T = TypeVar("T")

# partial-range = nz-number ":" nz-number / "-" nz-number ":-" nz-number
_RANGE = re.compile(rb"(-?)([0-9]{1,10}):(-?)([0-9]{1,10})")


class SearchReturn(Enum):
    """What of a result is told, or kept for ``$``."""

    MIN = b"MIN"
    MAX = b"MAX"
    ALL = b"ALL"
    COUNT = b"COUNT"
    SAVE = b"SAVE"


@dataclass(frozen=True, slots=True)
class PartialRange:
    """Results ``low`` to ``high``, the first is 1; ``from_end``: the last is 1. ``text`` as the client wrote it."""

    low: int
    high: int
    from_end: bool
    text: bytes

    def of(self, found: Sequence[T]) -> Sequence[T]:
        """Those of ``found``, in its order."""
        if not self.from_end:
            return found[self.low - 1 : self.high]
        count = len(found)
        return found[max(count - self.high, 0) : max(count - self.low + 1, 0)]


@dataclass(frozen=True, slots=True)
class SearchReturns:
    options: frozenset[SearchReturn]
    partial: PartialRange | None = None


_OPTIONS: dict[bytes, SearchReturn] = {option.value: option for option in SearchReturn}


def read_search_returns(cursor: Cursor, offered: frozenset[str]) -> SearchReturns | None:
    """``[RETURN SP "(" [option *(SP option)] ")" SP]``: None when there is none of it; nothing named means ALL."""
    if "ESEARCH" not in offered or cursor.octets[cursor.at : cursor.at + 8].upper() != b"RETURN (":
        return None
    cursor.at += 8
    options: set[SearchReturn] = set()
    partial: PartialRange | None = None
    while not cursor.take(b")"):
        if options or partial:
            cursor.space()
        word = cursor.word()
        if word == b"PARTIAL" and "PARTIAL" in offered and partial is None:
            cursor.space()
            partial = read_partial_range(cursor)
            continue
        option = _OPTIONS.get(word)
        if option is None or (option is SearchReturn.SAVE and "SEARCHRES" not in offered):
            raise BadSyntax("Unknown SEARCH return option")
        options.add(option)
    if partial is not None and SearchReturn.ALL in options:
        # RFC 9394 §3.1: they contradict each other.
        raise BadSyntax("PARTIAL and ALL cannot both be asked for")
    cursor.space()
    return SearchReturns(frozenset(options if options or partial else {SearchReturn.ALL}), partial)


def read_partial_range(cursor: Cursor) -> PartialRange:
    """``1:100``, or ``-1:-100`` for the last hundred; either end may come first."""
    match = _RANGE.match(cursor.octets, cursor.at)
    if match is None or match.group(1) != match.group(3):
        raise BadSyntax("PARTIAL is malformed; write it as 1:100 or -1:-100")
    first, last = int(match.group(2)), int(match.group(4))
    if not (0 < first <= MAX_NUMBER and 0 < last <= MAX_NUMBER):
        raise BadSyntax("PARTIAL is out of range")
    cursor.at = match.end()
    return PartialRange(min(first, last), max(first, last), bool(match.group(1)), match.group())
