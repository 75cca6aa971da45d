"""Answers and fates: what policy says of a command, what a primary said of a recipient, what became of a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply (RFC 5321 §4.2, RFC 2034): ``enhanced`` like ``5.1.1`` or empty, ``lines`` without code."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, code: int, enhanced: str, text: str) -> Reply:
        return cls(code=code, enhanced=enhanced, lines=(text,))

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def text(self) -> str:
        """One line for logs: code, enhanced code and text."""
        return " ".join(part for part in (str(self.code), self.enhanced, " ".join(self.lines)) if part)


class Fate(StrEnum):
    """State of one message for one recipient in the ledger."""

    HELD = "held"
    ATTEMPTED = "attempted"
    DELIVERED = "delivered"
    UNCONFIRMED = "unconfirmed"
    SUPPRESSED = "suppressed"
    BOUNCED = "bounced"


OPEN_FATES = frozenset({Fate.HELD, Fate.ATTEMPTED, Fate.UNCONFIRMED})
