"""APPEND up to its message literal (RFC 3501 §6.3.11), which streams and is never part of a command's octets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xtramail.model.flags import Flag
from xtramail.wire.imap.dates import parse_date_time
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.flag_parser import parse_flags
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.names import mailbox_name

_ANNOUNCED = re.compile(rb"\{[0-9]{1,10}\+?\}\Z")


@dataclass(frozen=True, slots=True)
class AppendHead:
    mailbox: str
    flags: Flag
    keywords: tuple[str, ...]
    received_at: int | None


def parse_append_head(cursor: Cursor) -> AppendHead | None:
    """``SP mailbox [SP flag-list] [SP date-time] SP {n}``, the end of the octets being that of an announcement.

    None when the announced literal is the mailbox name: have it, and ask again at the next one.
    """
    cursor.space()
    if _ANNOUNCED.match(cursor.octets, cursor.at) is not None:
        return None
    mailbox_octets = cursor.astring()
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
    if _ANNOUNCED.match(cursor.octets, cursor.at) is None:
        raise BadSyntax("Expected the message as a literal")
    return AppendHead(mailbox_name(mailbox_octets), flags, keywords, received_at)
