"""What a POP3 server connection tells its adapter, and what it asks for.

``Answered`` carries finished bytes; every other event waits: the connection parses nothing more until ``send``, and
after a positive answer to a ``MULTILINE`` event until ``end_lines``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from xtramail.model.secret import Secret


class Need(Enum):
    """What must happen before ``next_event`` can say more."""

    DATA = auto()
    """Feed more bytes."""
    REPLY = auto()
    """Call ``send``, or ``end_lines``, first."""
    TLS = auto()
    """Start TLS on the transport (the go-ahead is written), then call ``tls_started``."""
    CLOSE = auto()
    """The dialogue is over: close the transport once everything given is written."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The connection answered a command by itself: write ``octets`` after ``delay`` seconds, parsing nothing
    meanwhile."""

    octets: bytes
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class LogIn:
    """A complete login attempt. ``mechanism``: ``USER``, ``PLAIN`` or ``LOGIN``."""

    mechanism: str
    authcid: str
    password: Secret


@dataclass(frozen=True, slots=True)
class StartTls:
    """STLS. A positive answer leads to ``Need.TLS``."""


@dataclass(frozen=True, slots=True)
class Stat:
    """STAT."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """LIST; without a number several lines are the answer."""

    number: int | None


@dataclass(frozen=True, slots=True)
class UniqueIds:
    """UIDL; without a number several lines are the answer."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Retrieve:
    """RETR; ``lines`` of the text are wanted with TOP, None is all."""

    number: int
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """DELE."""

    number: int


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT. ``update``: after a login, so what was marked is to be deleted before the answer. Then ``Need.CLOSE``."""

    update: bool


Waiting: TypeAlias = LogIn | StartTls | Stat | Sizes | UniqueIds | Retrieve | Delete | Reset | Quit
Event: TypeAlias = Waiting | Answered


def multiline(event: Waiting) -> bool:
    """A positive answer goes on with lines (RFC 1939 §3)."""
    return isinstance(event, Retrieve) or (isinstance(event, (Sizes, UniqueIds)) and event.number is None)
