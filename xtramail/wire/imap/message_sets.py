"""Which messages a command names: a sequence set, or ``$``, the saved result of a search (RFC 5182 §2)."""

from __future__ import annotations

from xtramail.model.sequence import SAVED, SequenceSet
from xtramail.wire.imap.lexer import Cursor


def read_message_set(cursor: Cursor, ranges: int, offered: frozenset[str]) -> SequenceSet:
    """``sequence-set``, which ``$`` stands for alone (RFC 5182 §3). Raises as ``Cursor.sequence_set``."""
    if "SEARCHRES" in offered and cursor.take(b"$"):
        return SAVED
    return cursor.sequence_set(ranges)
