"""What to do with an announced literal (RFC 3501 §7.5, RFC 7888): never "+" for one that is too large.

Owns the decision, and APPEND's grammar up to its message, which streams and is never part of a command's octets. Does
not own reading it (``reader.py``), nor whether the command may come now (``standing.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xtramail.model.flags import Flag
from xtramail.wire.imap.commands import Append
from xtramail.wire.imap.dates import parse_date_time
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.flag_parser import parse_flags
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.names import mailbox_name
from xtramail.wire.imap.reader import Asked
from xtramail.wire.imap.rules import Rules
from xtramail.wire.imap.status import Tagged, bad, no

_ANNOUNCED = re.compile(rb"\{[0-9]{1,10}\+?\}\Z")
_LITERAL_MINUS = 4096
_MOST_LITERALS = 1_000


@dataclass(frozen=True, slots=True)
class Take:
    """Part of the command."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer instead of "+"; when it comes unasked, read past ``allowance`` octets beyond the usual.

    ``counted``: it is an error of the client's.
    """

    answer: Tagged
    counted: bool = False
    allowance: int = 0


@dataclass(frozen=True, slots=True)
class Close:
    """It comes unasked and is not worth reading past (RFC 7888 §4), or nobody honest sends it: ``answer``, then BYE."""

    text: str
    code: bytes = b""
    answer: Tagged | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The message of this APPEND: ask the session."""

    command: Append


Decision = Take | Refuse | Close | Offer


def decide_command_literal(asked: Asked, rules: Rules, *, before_login: bool) -> Decision:
    """A string of some command; all of a command's literals together are bounded."""
    most = (rules.limits.literal_before_login if before_login else rules.limits.literal) - asked.earlier
    if asked.index > _MOST_LITERALS:
        return Close("Too many literals")
    if asked.size <= most and _may_come(asked, rules):
        return Take()
    if before_login:
        # Nobody has a reason to send one before login.
        return Close("Literal is too large", answer=bad("Literal is too large"))
    if asked.synchronizing:
        return Refuse(bad("Literal is too large"))
    return Close("Literal is not allowed")


def decide_append_literal(asked: Asked, tag: bytes, at: int, rules: Rules) -> Decision:
    """A literal of APPEND, whose arguments start at ``at``: its mailbox name, or its message."""
    limits = rules.limits
    cursor = Cursor(asked.octets, at, limits.atoms)
    try:
        command = _append(cursor, tag, asked.size)
    except BadSyntax as error:
        return Refuse(bad(error.text), counted=True, allowance=limits.append)
    except Declined as error:
        return Refuse(no(error.text, error.code), allowance=limits.append)
    if command is None:
        return decide_command_literal(asked, rules, before_login=False)
    if asked.size > limits.append or not _may_come(asked, rules):
        if asked.synchronizing:
            return Refuse(no("Message is too large", b"TOOBIG"))
        return Close("Message is too large", b"TOOBIG")
    if not asked.size:
        return Refuse(no("Message is empty", b"CANNOT"))
    return Offer(command)


def _may_come(asked: Asked, rules: Rules) -> bool:
    """Unasked: any size under LITERAL+, up to 4096 octets under LITERAL- (RFC 7888 §4, §5)."""
    offered = rules.offered
    return asked.synchronizing or "LITERAL+" in offered or ("LITERAL-" in offered and asked.size <= _LITERAL_MINUS)


def _append(cursor: Cursor, tag: bytes, size: int) -> Append | None:
    """``SP mailbox [SP flag-list] [SP date-time] SP {n}`` (RFC 3501 §6.3.11), the announcement being the end.

    None when the announced literal is the mailbox name.
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
    mailbox = mailbox_name(mailbox_octets)
    return Append(tag=tag, mailbox=mailbox, size=size, flags=flags, keywords=keywords, received_at=received_at)
