"""SORT and THREAD (RFC 5256) as values. Their grammar is ``sort_parser``'s, their meaning ``mailbox``'s."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.search_keys import SearchKey


class SortKey(Enum):
    """What messages are ordered by (RFC 5256 §3)."""

    ARRIVAL = b"ARRIVAL"
    CC = b"CC"
    DATE = b"DATE"
    FROM = b"FROM"
    SIZE = b"SIZE"
    SUBJECT = b"SUBJECT"
    TO = b"TO"


@dataclass(frozen=True, slots=True)
class SortBy:
    key: SortKey
    descending: bool
    """REVERSE stood before it; it holds for this criterion alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort(Command):
    """``order``: the first criterion weighs most, at least one. ``uses_modseq`` as in ``commands.Search``."""

    uid: bool
    order: tuple[SortBy, ...]
    key: SearchKey
    uses_modseq: bool = False


class ThreadAlgorithm(Enum):
    """The value is also the second half of its capability."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread(Command):
    uid: bool
    algorithm: ThreadAlgorithm
    key: SearchKey
