"""Grammar of LIST, basic and extended (RFC 3501 §6.3.8, RFC 5258 §6, RFC 5819 §2, RFC 6154 §6), and of STATUS items."""

from __future__ import annotations

from xtramail.wire.imap.commands import List, ListReturn, ListSelection, StatusItem
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.names import mailbox_pattern
from xtramail.wire.imap.utf7 import Spelling

_SELECTIONS: dict[bytes, ListSelection] = {option.value: option for option in ListSelection}
_RETURNS: dict[bytes, ListReturn] = {option.value: option for option in ListReturn}
_STATUS_ITEMS: dict[bytes, StatusItem] = {item.value: item for item in StatusItem}
_STATUS_NEEDS: dict[StatusItem, str] = {
    StatusItem.HIGHESTMODSEQ: "CONDSTORE",
    StatusItem.SIZE: "STATUS=SIZE",
    StatusItem.DELETED: "STATUS=SIZE",
    StatusItem.APPENDLIMIT: "APPENDLIMIT",
    StatusItem.MAILBOXID: "OBJECTID",
    StatusItem.DELETED_STORAGE: "QUOTA=RES-STORAGE",
}
_MOST_PATTERNS = 100


def parse_list(
    cursor: Cursor, tag: bytes, offered: frozenset[str], spelling: Spelling = Spelling.UTF7
) -> List:
    """Behind ``LIST SP``."""
    extended = False
    selection: frozenset[ListSelection] = frozenset()
    if cursor.take(b"("):
        extended = True
        selection = _selection(cursor, offered)
        cursor.space()
    reference = mailbox_pattern(cursor.astring(), spelling)
    cursor.space()
    if cursor.take(b"("):
        _need(offered, "LIST-EXTENDED")
        extended = True
        patterns = [mailbox_pattern(cursor.pattern(), spelling)]
        while cursor.take(b" "):
            patterns.append(mailbox_pattern(cursor.pattern(), spelling))
        cursor.expect(b")")
        if len(patterns) > _MOST_PATTERNS:
            raise BadSyntax("Too many mailbox patterns")
    else:
        patterns = [mailbox_pattern(cursor.pattern(), spelling)]
    returns: frozenset[ListReturn] = frozenset()
    status: tuple[StatusItem, ...] = ()
    if not cursor.done and cursor.octets[cursor.at :] != b" ":
        cursor.space()
        if cursor.word() != b"RETURN":
            raise BadSyntax("Expected RETURN")
        cursor.space()
        extended = True
        returns, status = _returns(cursor, offered)
    cursor.finish()
    return List(
        tag=tag,
        reference=reference,
        patterns=tuple(patterns),
        selection=selection,
        returns=returns,
        status=status,
        extended=extended,
    )


def _need(offered: frozenset[str], capability: str) -> None:
    if capability not in offered:
        raise BadSyntax(f"{capability} is not offered")


def _selection(cursor: Cursor, offered: frozenset[str]) -> frozenset[ListSelection]:
    """list-select-opts behind its "("."""
    options: set[ListSelection] = set()
    if not cursor.take(b")"):
        while True:
            option = _SELECTIONS.get(cursor.word())
            if option is None:
                raise BadSyntax("Unknown LIST selection option")
            # RFC 6154 §2 alone, without LIST-EXTENDED, opens its own option and no more.
            _need(offered, "SPECIAL-USE" if option is ListSelection.SPECIAL_USE else "LIST-EXTENDED")
            options.add(option)
            if not cursor.take(b" "):
                break
        cursor.expect(b")")
    if ListSelection.RECURSIVEMATCH in options and not options & {ListSelection.SUBSCRIBED, ListSelection.SPECIAL_USE}:
        # RFC 5258 §3.1: it modifies another option and means nothing alone.
        raise BadSyntax("RECURSIVEMATCH needs another selection option")
    return frozenset(options)


def _returns(cursor: Cursor, offered: frozenset[str]) -> tuple[frozenset[ListReturn], tuple[StatusItem, ...]]:
    cursor.expect(b"(")
    options: set[ListReturn] = set()
    status: tuple[StatusItem, ...] = ()
    if cursor.take(b")"):
        return frozenset(), ()
    while True:
        word = cursor.word()
        if word == b"STATUS":
            _need(offered, "LIST-STATUS")
            cursor.space()
            status = parse_status_items(cursor, offered)
        else:
            option = _RETURNS.get(word)
            if option is None:
                raise BadSyntax("Unknown LIST return option")
            _need(offered, "SPECIAL-USE" if option is ListReturn.SPECIAL_USE else "LIST-EXTENDED")
            options.add(option)
        if not cursor.take(b" "):
            break
    cursor.expect(b")")
    return frozenset(options), status


def parse_status_items(cursor: Cursor, offered: frozenset[str]) -> tuple[StatusItem, ...]:
    """``(MESSAGES UNSEEN)``: in the client's order, each once."""
    cursor.expect(b"(")
    items: dict[StatusItem, None] = {}
    while True:
        item = _STATUS_ITEMS.get(cursor.word())
        if item is None:
            raise BadSyntax("Unknown STATUS item")
        need = _STATUS_NEEDS.get(item)
        if need is not None:
            _need(offered, need)
        items[item] = None
        if not cursor.take(b" "):
            break
    cursor.expect(b")")
    return tuple(items)
