"""SEARCH keys (RFC 3501 §6.4.4) as a typed tree, at most 32 deep.

Owns the values. Their grammar is ``search_parser``'s; matching is ``mailbox``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from xtramail.model.flags import Flag
from xtramail.model.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Everything:
    """ALL."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """ANSWERED and UNANSWERED and so on: ``flag`` is set, or not."""

    flag: Flag
    present: bool


@dataclass(frozen=True, slots=True)
class HasKeyword:
    """KEYWORD and UNKEYWORD; keywords compare without case."""

    keyword: str
    present: bool


class Recency(Enum):
    """RECENT; OLD (not recent); NEW (recent and unseen)."""

    RECENT = "RECENT"
    OLD = "OLD"
    NEW = "NEW"


@dataclass(frozen=True, slots=True)
class IsRecent:
    recency: Recency


@dataclass(frozen=True, slots=True)
class HeaderContains:
    """FROM, TO, CC, BCC, SUBJECT, HEADER: ``field`` lower-case; an empty ``text`` asks whether the field is there."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class BodyContains:
    text: str


@dataclass(frozen=True, slots=True)
class TextContains:
    """TEXT: header or body."""

    text: str


class DateField(Enum):
    """BEFORE, ON, SINCE look at INTERNALDATE; SENT... at Date:; SAVED... at SAVEDATE (RFC 8514 §4.3)."""

    INTERNAL = "INTERNAL"
    SENT = "SENT"
    SAVED = "SAVED"


class Comparison(Enum):
    """Time and zone are disregarded: only days compare (RFC 3501 §6.4.4)."""

    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"


@dataclass(frozen=True, slots=True)
class DateIs:
    field: DateField
    comparison: Comparison
    day: date


@dataclass(frozen=True, slots=True)
class Larger:
    """RFC822.SIZE is greater than ``octets``."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """RFC822.SIZE is less than ``octets``."""

    octets: int


@dataclass(frozen=True, slots=True)
class InNumbers:
    """Message sequence numbers; ``*`` not yet resolved."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class InUids:
    """UIDs; ``*`` not yet resolved."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class ModSeqAtLeast:
    """MODSEQ (RFC 7162 §3.1.5)."""

    modseq: int


@dataclass(frozen=True, slots=True)
class OlderThan:
    """OLDER (RFC 5032): INTERNALDATE at least ``seconds`` ago."""

    seconds: int


@dataclass(frozen=True, slots=True)
class YoungerThan:
    """YOUNGER (RFC 5032): INTERNALDATE within the last ``seconds``."""

    seconds: int


@dataclass(frozen=True, slots=True)
class HasEmailId:
    """EMAILID (RFC 8474 §5.3)."""

    object_id: bytes


@dataclass(frozen=True, slots=True)
class HasThreadId:
    """THREADID (RFC 8474 §5.3)."""

    object_id: bytes


@dataclass(frozen=True, slots=True)
class Not:
    key: SearchKey


@dataclass(frozen=True, slots=True)
class Or:
    left: SearchKey
    right: SearchKey


@dataclass(frozen=True, slots=True)
class And:
    """Two keys or more."""

    keys: tuple[SearchKey, ...]


SearchKey = (
    Everything
    | HasFlag
    | HasKeyword
    | IsRecent
    | HeaderContains
    | BodyContains
    | TextContains
    | DateIs
    | Larger
    | Smaller
    | InNumbers
    | InUids
    | ModSeqAtLeast
    | OlderThan
    | YoungerThan
    | HasEmailId
    | HasThreadId
    | Not
    | Or
    | And
)


def names_numbers(key: SearchKey) -> bool:
    """Are there message numbers in it? ``$`` is none."""
    if isinstance(key, InNumbers):
        return not key.numbers.saved
    if isinstance(key, Not):
        return names_numbers(key.key)
    if isinstance(key, Or):
        return names_numbers(key.left) or names_numbers(key.right)
    return isinstance(key, And) and any(names_numbers(one) for one in key.keys)
