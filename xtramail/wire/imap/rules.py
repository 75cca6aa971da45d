"""What a connection takes beside a command's own grammar, and the shape that every reader of a command has.

Owns :class:`Rules` and the two readers that are made, not written. The grammar itself is ``parser``'s and its
neighbours'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.config import Limits
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.names import mailbox_name
from xtramail.wire.imap.search_parser import SearchRules
from xtramail.wire.imap.utf7 import Spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this connection takes, beside the command itself."""

    offered: frozenset[str]
    limits: Limits
    search: SearchRules
    spelling: Spelling = Spelling.UTF7

    def mailbox(self, octets: bytes) -> str:
        """A mailbox name as the client spells it; Declined with CANNOT."""
        return mailbox_name(octets, self.spelling)


Reader = Callable[[Cursor, bytes, Rules], Command]
"""The cursor stands behind the command word; the tag is given on."""


def bare(kind: type[Command]) -> Reader:
    """A command without arguments."""

    def read(cursor: Cursor, tag: bytes, _rules: Rules) -> Command:
        cursor.finish()
        return kind(tag=tag)

    return read


def needing(capability: str, reader: Reader) -> Reader:
    """A command that only exists where ``capability`` is offered."""

    def read(cursor: Cursor, tag: bytes, rules: Rules) -> Command:
        if capability not in rules.offered:
            raise BadSyntax("Unknown command")
        return reader(cursor, tag, rules)

    return read
