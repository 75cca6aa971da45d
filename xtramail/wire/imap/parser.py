"""One complete command to one typed value: the grammar of each command (RFC 3501 §9), as a table of functions.

Owns arguments. Does not own states (``states.py``), APPEND's streamed literal and SASL (``server.py``).
"""

from __future__ import annotations

import re

from xtramail.model.secret import Secret
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap import commands
from xtramail.wire.imap.commands import Command, Resync, StoreMode
from xtramail.wire.imap.config import ENABLEABLE
from xtramail.wire.imap.deflate import read_compress
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.fetch_items import FetchItems
from xtramail.wire.imap.fetch_parser import parse_fetch_items, read_fetch_items
from xtramail.wire.imap.flag_parser import parse_last_flags
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.list_parser import parse_list, parse_status_items
from xtramail.wire.imap.message_sets import read_message_set
from xtramail.wire.imap.names import mailbox_pattern, new_mailbox_name
from xtramail.wire.imap.quota_commands import read_get_quota, read_get_quota_root
from xtramail.wire.imap.rules import Reader, Rules, bare, needing
from xtramail.wire.imap.search_keys import Everything
from xtramail.wire.imap.search_parser import parse_search
from xtramail.wire.imap.search_returns import PartialRange, SearchReturn, read_partial_range, read_search_returns
from xtramail.wire.imap.sort_parser import read_sort, read_thread

# RFC 2971 §3.3
_MOST_ID_FIELDS = 30
_MOST_ID_OCTETS = 1024

_FETCH_MODIFIER = re.compile(rb" \((?=(?:CHANGEDSINCE|VANISHED|PARTIAL)[ )])", re.IGNORECASE)
# create-param of RFC 6154 §3; \All and \Flagged are views of other mailboxes, which there are none of.
_SPECIAL_USES: dict[bytes, str] = {
    name.lower().encode(): name for name in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")
}


def _id(cursor: Cursor, tag: bytes, _rules: Rules) -> Command:
    """``ID NIL`` or ``ID ("name" "value" ...)``."""
    cursor.space()
    fields: list[tuple[str, str | None]] = []
    if cursor.take(b"("):
        while not cursor.take(b")"):
            if fields:
                cursor.space()
            name = cursor.string()
            cursor.space()
            value = cursor.nstring()
            if len(fields) >= _MOST_ID_FIELDS or max(len(name), len(value or b"")) > _MOST_ID_OCTETS:
                raise BadSyntax("ID has too many or too long fields")
            shown = None if value is None else value.decode("utf-8", "replace")
            fields.append((name.decode("utf-8", "replace").lower(), shown))
    elif cursor.word() != b"NIL":
        raise BadSyntax("Expected NIL or a list")
    cursor.finish()
    return commands.Id(tag=tag, fields=tuple(fields))


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _login(cursor: Cursor, tag: bytes, _rules: Rules) -> Command:
    cursor.space()
    user = cursor.astring()
    cursor.space()
    password = cursor.astring()
    cursor.finish()
    try:
        name, secret = user.decode(), password.decode()
    except UnicodeDecodeError:
        raise BadSyntax("User name or password is not UTF-8") from None
    # A control character in a user name is an attempt to write into logs or keys.
    if not name or _CONTROL.search(name) is not None:
        raise BadSyntax("User name is empty or has control characters")
    return commands.Login(tag=tag, user=name, password=Secret(secret))


def _enable(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    wanted: dict[str, None] = {}
    cursor.space()
    while True:
        wanted[cursor.word().decode("ascii")] = None
        if cursor.done or not cursor.take(b" ") or cursor.done:
            break
    cursor.finish()
    able = tuple(ENABLEABLE[name] for name in wanted if name in ENABLEABLE and ENABLEABLE[name] in rules.offered)
    return commands.Enable(tag=tag, capabilities=able)


def _selecting(kind: type[commands.Select] | type[commands.Examine]) -> Reader:
    def named(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
        cursor.space()
        mailbox = rules.mailbox(cursor.astring())
        condstore = False
        resync: Resync | None = None
        if cursor.take(b" ("):
            while True:
                word = cursor.word()
                if word == b"CONDSTORE" and "CONDSTORE" in rules.offered:
                    condstore = True
                elif word == b"QRESYNC" and "QRESYNC" in rules.offered:
                    cursor.expect(b" (")
                    resync = _resync(cursor, rules)
                else:
                    raise BadSyntax("Unknown SELECT parameter")
                if not cursor.take(b" "):
                    break
            cursor.expect(b")")
        cursor.finish()
        return kind(tag=tag, mailbox=mailbox, condstore=condstore, resync=resync)

    def read(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
        try:
            return named(cursor, tag, rules)
        except Declined as declined:
            # The answer is known, but it leaves nothing selected (RFC 3501 §6.3.1), which is not the connection's.
            return kind(tag=tag, mailbox="", declined=(declined.text, declined.code))

    return read


def _resync(cursor: Cursor, rules: Rules) -> Resync:
    """``uidvalidity SP modseq [SP known-uids] [SP "(" numbers SP uids ")"] ")"`` (RFC 7162 §3.2.5)."""
    uidvalidity = cursor.number(least=1)
    cursor.space()
    modseq = cursor.modseq()
    known: SequenceSet | None = None
    numbers: SequenceSet | None = None
    uids: SequenceSet | None = None
    if cursor.follows(b" ") and not cursor.follows(b" ("):
        cursor.space()
        known = cursor.sequence_set(rules.limits.ranges)
    if cursor.take(b" ("):
        numbers = cursor.sequence_set(rules.limits.ranges)
        cursor.space()
        uids = cursor.sequence_set(rules.limits.ranges)
        cursor.expect(b")")
    cursor.expect(b")")
    return Resync(uidvalidity=uidvalidity, modseq=modseq, known_uids=known, match_numbers=numbers, match_uids=uids)


def _create(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    mailbox = new_mailbox_name(cursor.astring(), rules.spelling)
    special: list[str] = []
    if "CREATE-SPECIAL-USE" in rules.offered and cursor.take(b" ("):
        if cursor.word() != b"USE":
            raise BadSyntax("Unknown CREATE parameter")
        cursor.expect(b" (")
        while not cursor.take(b")"):
            if special:
                cursor.space()
            cursor.expect(b"\\")
            use = _SPECIAL_USES.get(b"\\" + cursor.atom().lower())
            if use is None:
                raise Declined("No mailbox can be made for this use", b"USEATTR")
            special.append(use)
        cursor.expect(b")")
    cursor.finish()
    return commands.Create(tag=tag, mailbox=mailbox, special_use=tuple(special))


def _mailbox(
    kind: type[commands.Delete] | type[commands.Subscribe] | type[commands.Unsubscribe],
) -> Reader:
    def read(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
        cursor.space()
        mailbox = rules.mailbox(cursor.astring())
        cursor.finish()
        return kind(tag=tag, mailbox=mailbox)

    return read


def _rename(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    source = rules.mailbox(cursor.astring())
    cursor.space()
    target = new_mailbox_name(cursor.astring(), rules.spelling)
    cursor.finish()
    return commands.Rename(tag=tag, source=source, target=target)


def _list(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    return parse_list(cursor, tag, rules.offered, rules.spelling)


def _lsub(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    reference = mailbox_pattern(cursor.astring(), rules.spelling)
    cursor.space()
    pattern = mailbox_pattern(cursor.pattern(), rules.spelling)
    cursor.finish()
    return commands.Lsub(tag=tag, reference=reference, pattern=pattern)


def _status(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    mailbox = rules.mailbox(cursor.astring())
    cursor.space()
    items = parse_status_items(cursor, rules.offered)
    cursor.finish()
    return commands.Status(tag=tag, mailbox=mailbox, items=items)


def _search(cursor: Cursor, tag: bytes, rules: Rules, *, uid: bool = False) -> Command:
    cursor.space()
    returns = read_search_returns(cursor, rules.offered)
    try:
        parsed = parse_search(cursor, rules.search)
    except Declined as declined:
        if returns is None or SearchReturn.SAVE not in returns.options:
            raise
        # The answer is known, but it changes what $ stands for (RFC 5182 §2.1), which is not the connection's.
        return commands.Search(
            tag=tag, uid=uid, key=Everything(), returns=returns.options, declined=(declined.text, declined.code)
        )
    return commands.Search(
        tag=tag,
        uid=uid,
        key=parsed.key,
        returns=None if returns is None else returns.options,
        partial=None if returns is None else returns.partial,
        uses_modseq=parsed.uses_modseq,
    )


def _fetch(cursor: Cursor, tag: bytes, rules: Rules, *, uid: bool = False) -> Command:
    cursor.space()
    numbers = read_message_set(cursor, rules.limits.ranges, rules.offered)
    cursor.space()
    text = cursor.octets[cursor.at :]
    changed_since: int | None = None
    vanished = False
    partial: PartialRange | None = None
    if _FETCH_MODIFIER.search(text) is not None:
        items, changed_since, vanished, partial = _modified_items(cursor, uid=uid, rules=rules)
    else:
        items = parse_fetch_items(text)
    if not items.needs <= rules.offered:
        raise BadSyntax("Unknown FETCH item")
    return commands.Fetch(
        tag=tag,
        uid=uid,
        numbers=numbers,
        items=items,
        changed_since=changed_since,
        vanished=vanished,
        partial=partial,
    )


def _modified_items(
    cursor: Cursor, *, uid: bool, rules: Rules
) -> tuple[FetchItems, int | None, bool, PartialRange | None]:
    """Items with modifiers behind them: ``(CHANGEDSINCE 5 VANISHED)`` (RFC 7162 §3.1.4.1, §3.2.6; RFC 9394 §3.4)."""
    start = cursor.at
    read_fetch_items(cursor)
    items = parse_fetch_items(cursor.octets[start : cursor.at])
    changed_since: int | None = None
    vanished = False
    partial: PartialRange | None = None
    if cursor.take(b" ("):
        while True:
            word = cursor.word()
            if word == b"CHANGEDSINCE" and "CONDSTORE" in rules.offered:
                cursor.space()
                changed_since = cursor.modseq()
            elif word == b"VANISHED" and uid and "QRESYNC" in rules.offered:
                vanished = True
            elif word == b"PARTIAL" and uid and "PARTIAL" in rules.offered:
                cursor.space()
                partial = read_partial_range(cursor)
            else:
                raise BadSyntax("Unknown FETCH modifier")
            if not cursor.take(b" "):
                break
        cursor.expect(b")")
    if vanished and changed_since is None:
        raise BadSyntax("VANISHED needs CHANGEDSINCE")
    cursor.finish()
    return items, changed_since, vanished, partial


_STORE_MODES: dict[bytes, tuple[StoreMode, bool]] = {
    mode.value.encode() + suffix: (mode, bool(suffix)) for mode in StoreMode for suffix in (b"", b".SILENT")
}


def _store(cursor: Cursor, tag: bytes, rules: Rules, *, uid: bool = False) -> Command:
    cursor.space()
    numbers = read_message_set(cursor, rules.limits.ranges, rules.offered)
    unchanged_since: int | None = None
    if cursor.take(b" ("):
        if "CONDSTORE" not in rules.offered or cursor.word() != b"UNCHANGEDSINCE":
            raise BadSyntax("Unknown STORE modifier")
        cursor.space()
        unchanged_since = cursor.modseq()
        cursor.expect(b")")
    cursor.space()
    found = _STORE_MODES.get(cursor.word())
    if found is None:
        raise BadSyntax("Expected FLAGS, +FLAGS or -FLAGS")
    mode, silent = found
    cursor.space()
    flags, keywords = parse_last_flags(cursor)
    return commands.Store(
        tag=tag,
        uid=uid,
        numbers=numbers,
        mode=mode,
        silent=silent,
        flags=flags,
        keywords=keywords,
        unchanged_since=unchanged_since,
    )


def _transferring(kind: type[commands.Copy] | type[commands.Move], *, uid: bool) -> Reader:
    def read(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
        cursor.space()
        numbers = read_message_set(cursor, rules.limits.ranges, rules.offered)
        cursor.space()
        mailbox = rules.mailbox(cursor.astring())
        cursor.finish()
        return kind(tag=tag, uid=uid, numbers=numbers, mailbox=mailbox)

    return read


def _uid_expunge(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    numbers = read_message_set(cursor, rules.limits.ranges, rules.offered)
    cursor.finish()
    return commands.UidExpunge(tag=tag, numbers=numbers)


_UID_READERS: dict[bytes, Reader] = {
    b"COPY": _transferring(commands.Copy, uid=True),
    b"EXPUNGE": needing("UIDPLUS", _uid_expunge),
    b"FETCH": lambda cursor, tag, rules: _fetch(cursor, tag, rules, uid=True),
    b"MOVE": needing("MOVE", _transferring(commands.Move, uid=True)),
    b"SEARCH": lambda cursor, tag, rules: _search(cursor, tag, rules, uid=True),
    b"SORT": lambda cursor, tag, rules: read_sort(cursor, tag, rules, uid=True),
    b"STORE": lambda cursor, tag, rules: _store(cursor, tag, rules, uid=True),
    b"THREAD": lambda cursor, tag, rules: read_thread(cursor, tag, rules, uid=True),
}


def _uid(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
    cursor.space()
    reader = _UID_READERS.get(cursor.word())
    if reader is None:
        raise BadSyntax("Unknown UID command")
    return reader(cursor, tag, rules)


READERS: dict[bytes, Reader] = {
    b"CAPABILITY": bare(commands.Capability),
    b"CHECK": bare(commands.Check),
    b"CLOSE": bare(commands.Close),
    b"COMPRESS": needing("COMPRESS=DEFLATE", read_compress),
    b"COPY": _transferring(commands.Copy, uid=False),
    b"CREATE": _create,
    b"DELETE": _mailbox(commands.Delete),
    b"ENABLE": needing("ENABLE", _enable),
    b"EXAMINE": _selecting(commands.Examine),
    b"EXPUNGE": bare(commands.Expunge),
    b"FETCH": _fetch,
    b"GETQUOTA": needing("QUOTA", read_get_quota),
    b"GETQUOTAROOT": needing("QUOTA", read_get_quota_root),
    b"ID": needing("ID", _id),
    b"IDLE": needing("IDLE", bare(commands.Idle)),
    b"LIST": _list,
    b"LOGIN": _login,
    b"LOGOUT": bare(commands.Logout),
    b"LSUB": _lsub,
    b"MOVE": needing("MOVE", _transferring(commands.Move, uid=False)),
    b"NAMESPACE": needing("NAMESPACE", bare(commands.Namespace)),
    b"NOOP": bare(commands.Noop),
    b"RENAME": _rename,
    b"SEARCH": _search,
    b"SELECT": _selecting(commands.Select),
    b"SORT": read_sort,
    b"STARTTLS": bare(commands.StartTls),
    b"STATUS": _status,
    b"STORE": _store,
    b"SUBSCRIBE": _mailbox(commands.Subscribe),
    b"THREAD": read_thread,
    b"UID": _uid,
    b"UNSELECT": needing("UNSELECT", bare(commands.Unselect)),
    b"UNSUBSCRIBE": _mailbox(commands.Unsubscribe),
}
