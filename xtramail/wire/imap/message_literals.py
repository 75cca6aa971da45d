"""Grammar of APPEND and its kin up to a message literal, which streams and is never part of a command's octets.

Owns APPEND (RFC 3501 §6.3.11), its further messages (RFC 3502), ``UTF8 (literal8)`` (RFC 6855 §4), literal8 (RFC 3516
§4.4) and REPLACE (RFC 8508 §3.3). Does not own how large a message may be (``literal_rules``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xtramail.model.flags import Flag
from xtramail.wire.imap.append_commands import AppendMore, Replace
from xtramail.wire.imap.commands import Append
from xtramail.wire.imap.dates import parse_date_time
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.flag_parser import parse_flags
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.rules import Rules

_ANNOUNCED = re.compile(rb"\{[0-9]{1,10}\+?\}\Z")
_ANNOUNCED_8 = re.compile(rb"~\{[0-9]{1,10}\+?\}\Z")


@dataclass(frozen=True, slots=True)
class Announced:
    """A message to ask the session for. ``closing``: what has to stand between its literal and the next SP or CRLF."""

    command: Append | AppendMore
    closing: bytes


@dataclass(frozen=True, slots=True)
class _Options:
    flags: Flag
    keywords: tuple[str, ...]
    received_at: int | None
    closing: bytes
    binary: bool


def read_append(cursor: Cursor, tag: bytes, size: int, rules: Rules) -> Announced | None:
    """``SP mailbox [SP flag-list] [SP date-time] SP {n}``, the announcement being the end.

    None when the announced literal is the mailbox name.
    """
    cursor.space()
    if _ANNOUNCED.match(cursor.octets, cursor.at) is not None:
        return None
    mailbox_octets = cursor.astring()
    options = _options(cursor, rules)
    command = Append(
        tag=tag,
        mailbox=rules.mailbox(mailbox_octets),
        size=size,
        flags=options.flags,
        keywords=options.keywords,
        received_at=options.received_at,
        binary=options.binary,
    )
    return Announced(command, options.closing)


def read_next(cursor: Cursor, tag: bytes, size: int, closing: bytes, rules: Rules) -> Announced:
    """Behind a message, whose ``closing`` is due first: ``[SP flag-list] [SP date-time] SP {n}`` (RFC 3502)."""
    if "MULTIAPPEND" not in rules.offered:
        raise BadSyntax("Unexpected text after the literal")
    cursor.expect(closing)
    if cursor.follows(b"  "):
        # IMAPClient puts two spaces between messages.
        cursor.space()
    options = _options(cursor, rules)
    command = AppendMore(
        tag=tag,
        size=size,
        flags=options.flags,
        keywords=options.keywords,
        received_at=options.received_at,
        binary=options.binary,
    )
    return Announced(command, options.closing)


def read_replace(cursor: Cursor, tag: bytes, size: int, rules: Rules, *, uid: bool) -> Announced | None:
    """``SP seq-number`` and then as APPEND."""
    if "REPLACE" not in rules.offered:
        raise BadSyntax("Unknown command")
    cursor.space()
    number = cursor.sequence_set(1)
    if number.ranges[0][0] != number.ranges[0][1]:
        raise BadSyntax("REPLACE takes one message")
    announced = read_append(cursor, tag, size, rules)
    if announced is None:
        return None
    append = announced.command
    assert isinstance(append, Append), "read_append reads nothing else"
    command = Replace(
        tag=tag,
        mailbox=append.mailbox,
        size=size,
        flags=append.flags,
        keywords=append.keywords,
        received_at=append.received_at,
        binary=append.binary,
        uid=uid,
        number=number,
    )
    return Announced(command, announced.closing)


def _options(cursor: Cursor, rules: Rules) -> _Options:
    """``[SP flag-list] [SP date-time] SP append-data``."""
    cursor.space()
    flags = Flag(0)
    keywords: tuple[str, ...] = ()
    if cursor.follows(b"("):
        flags, keywords = parse_flags(cursor)
        cursor.space()
    received_at: int | None = None
    if cursor.follows(b'"'):
        received_at = parse_date_time(cursor.string())
        cursor.space()
    closing, binary = _data(cursor, rules)
    return _Options(flags, keywords, received_at, closing, binary)


def _data(cursor: Cursor, rules: Rules) -> tuple[bytes, bool]:
    """``{n}``, ``~{n}`` or ``UTF8 (~{n}``: what closes it, and whether it is a literal8."""
    if _ANNOUNCED.match(cursor.octets, cursor.at) is not None:
        return b"", False
    closing = b""
    if cursor.octets[cursor.at : cursor.at + 6].upper() == b"UTF8 (":
        cursor.at += 6
        closing = b")"
    needed = "UTF8=ACCEPT" if closing else "BINARY"
    if needed in rules.offered and _ANNOUNCED_8.match(cursor.octets, cursor.at) is not None:
        return closing, True
    raise BadSyntax("Expected the message as a literal")
