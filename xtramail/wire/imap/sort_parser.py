"""Grammar of SORT and THREAD (RFC 5256 §5). The keys behind the charset are ``search_parser``'s."""

from __future__ import annotations

from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.rules import Rules
from xtramail.wire.imap.search_parser import parse_search_in_charset
from xtramail.wire.imap.sort_commands import Sort, SortBy, SortKey, Thread, ThreadAlgorithm

_KEYS: dict[bytes, SortKey] = {key.value: key for key in SortKey}
_ALGORITHMS: dict[bytes, ThreadAlgorithm] = {algorithm.value.encode(): algorithm for algorithm in ThreadAlgorithm}
_MOST_CRITERIA = 16
"""More than twice as many as there are keys; each costs a pass over all messages."""


def read_sort(cursor: Cursor, tag: bytes, rules: Rules, *, uid: bool = False) -> Command:
    """``SORT SP "(" sort-key *(SP sort-key) ")" SP charset 1*(SP search-key)``."""
    if "SORT" not in rules.offered:
        raise BadSyntax("Unknown command")
    cursor.space()
    order = _order(cursor)
    cursor.space()
    parsed = parse_search_in_charset(cursor, rules.search)
    return Sort(tag=tag, uid=uid, order=order, key=parsed.key, uses_modseq=parsed.uses_modseq)


def _order(cursor: Cursor) -> tuple[SortBy, ...]:
    """sort-criteria; sort-criterion = ["REVERSE" SP] sort-key."""
    cursor.expect(b"(")
    order: list[SortBy] = []
    while True:
        word = cursor.word()
        descending = word == b"REVERSE"
        if descending:
            cursor.space()
            word = cursor.word()
        key = _KEYS.get(word)
        if key is None:
            raise BadSyntax("Unknown SORT criterion")
        order.append(SortBy(key, descending))
        if len(order) > _MOST_CRITERIA:
            raise BadSyntax("Too many SORT criteria")
        if not cursor.take(b" "):
            break
    cursor.expect(b")")
    return tuple(order)


def read_thread(cursor: Cursor, tag: bytes, rules: Rules, *, uid: bool = False) -> Command:
    """``THREAD SP algorithm SP charset 1*(SP search-key)``."""
    cursor.space()
    algorithm = _ALGORITHMS.get(cursor.word())
    if algorithm is None or f"THREAD={algorithm.value}" not in rules.offered:
        raise BadSyntax("Unknown THREAD algorithm")
    cursor.space()
    parsed = parse_search_in_charset(cursor, rules.search)
    return Thread(tag=tag, uid=uid, algorithm=algorithm, key=parsed.key)
