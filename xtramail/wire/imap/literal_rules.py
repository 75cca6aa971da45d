"""What to do with an announced literal (RFC 3501 §7.5, RFC 7888): never "+" for one that is too large.

Owns the decision. Does not own reading it (``reader.py``), nor the grammar before it (``message_literals.py``), nor
whether the command may come now (``standing.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xtramail.wire.imap.append_commands import AppendMore
from xtramail.wire.imap.commands import Append
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.message_literals import Announced, read_append, read_next, read_replace
from xtramail.wire.imap.reader import Asked
from xtramail.wire.imap.rules import Rules
from xtramail.wire.imap.status import Tagged, bad, no

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
    """A message: ask the session. ``closing`` has to follow its literal."""

    command: Append | AppendMore
    closing: bytes


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


def is_message_command(word: bytes, octets: bytes, at: int) -> bool:
    """Does a message literal belong to the command whose arguments start at ``at``?"""
    if word == b"UID":
        return octets[at : at + 9].upper() == b" REPLACE "
    return word in (b"APPEND", b"REPLACE")


def decide_message_literal(asked: Asked, tag: bytes, word: bytes, at: int, rules: Rules) -> Decision:
    """A literal of APPEND or REPLACE, whose arguments start at ``at``: its mailbox name, or its message."""
    cursor = Cursor(asked.octets, at, rules.limits.atoms)

    def read() -> Announced | None:
        if word == b"APPEND":
            return read_append(cursor, tag, asked.size, rules)
        if word == b"UID":
            cursor.expect(b" ")
            cursor.word()
        return read_replace(cursor, tag, asked.size, rules, uid=word == b"UID")

    return _decide(asked, read, rules)


def decide_next_literal(asked: Asked, tag: bytes, closing: bytes, rules: Rules) -> Decision:
    """What is announced behind a message, whose ``closing`` is due first (RFC 3502)."""
    cursor = Cursor(asked.octets, 0, rules.limits.atoms)
    return _decide(asked, lambda: read_next(cursor, tag, asked.size, closing, rules), rules)


def _decide(asked: Asked, read: Callable[[], Announced | None], rules: Rules) -> Decision:
    limits = rules.limits
    try:
        announced = read()
    except BadSyntax as error:
        return Refuse(bad(error.text), counted=True, allowance=limits.append)
    except Declined as error:
        return Refuse(no(error.text, error.code), allowance=limits.append)
    if announced is None:
        return decide_command_literal(asked, rules, before_login=False)
    if asked.size > limits.append or not _may_come(asked, rules):
        if asked.synchronizing:
            return Refuse(no("Message is too large", b"TOOBIG"))
        return Close("Message is too large", b"TOOBIG")
    if not asked.size:
        # RFC 3502 §6.3.11: this is also how a client calls several messages off.
        return Refuse(no("Message is empty", b"CANNOT"))
    return Offer(announced.command, announced.closing)


def _may_come(asked: Asked, rules: Rules) -> bool:
    """Unasked: any size under LITERAL+, up to 4096 octets under LITERAL- (RFC 7888 §4, §5)."""
    offered = rules.offered
    return asked.synchronizing or "LITERAL+" in offered or ("LITERAL-" in offered and asked.size <= _LITERAL_MINUS)
