"""FETCH data items (RFC 3501 §6.4.5): their types, and how each is named in the answer.

Owns the values. Their grammar is ``fetch_parser``'s; what they mean for a stored message is ``mailbox``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Attribute(Enum):
    """Items without arguments; the value is the name in the answer."""

    FLAGS = b"FLAGS"
    UID = b"UID"
    INTERNALDATE = b"INTERNALDATE"
    RFC822_SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    """BODYSTRUCTURE without extension fields."""
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    MODSEQ = b"MODSEQ"
    """RFC 7162 §3.1.4.2."""
    EMAILID = b"EMAILID"
    THREADID = b"THREADID"
    """Both RFC 8474 §5."""
    SAVEDATE = b"SAVEDATE"
    """RFC 8514 §4.2."""
    PREVIEW = b"PREVIEW"
    """RFC 8970 §3."""

    # Of one object; the enumeration's own hash is a call of Python for each item of each FETCH.
    __hash__ = object.__hash__


class SectionText(Enum):
    """Which octets of the message or part are asked for (RFC 9051 §6.4.5.1)."""

    WHOLE = ""
    HEADER = "HEADER"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"
    BINARY = "BINARY"
    """All of it, without its transfer encoding (RFC 3516 §4.2)."""
    BINARY_SIZE = "BINARY.SIZE"
    """How many octets that is."""

    # As Attribute's.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``BODY[section]<start.count>``, BINARY, and RFC822 and its kin, which are the same under another label.

    ``path``: part numbers, ``()`` for the message itself. ``fields``: lower-case header field names, in the client's
    order. ``start``/``count``: octets asked for, None without ``<...>``; cut to what is there, an empty literal past
    the end. ``label`` is the item's name in the answer, origin included: ``BODY[HEADER.FIELDS (DATE FROM)]<0>``.
    """

    label: bytes
    path: tuple[int, ...]
    text: SectionText
    fields: tuple[bytes, ...] = ()
    peek: bool
    """False sets ``\\Seen``."""
    start: int | None = None
    count: int | None = None


FetchItem = Attribute | Section


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchItems:
    """One compiled item list, shared by all commands with the same text: identity may key a cache of formats.

    ``items`` in the client's order, each once, macros expanded.
    """

    items: tuple[FetchItem, ...]
    sets_seen: bool
    """Some section without PEEK is asked for."""
    needs: frozenset[str]
    """Capabilities that must be offered for these items."""
