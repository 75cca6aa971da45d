"""The order of a client's dialogue: which command may be given when, and what each awaited reply answers.

Owns the tables of ``client``; no rule of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from xtramail.wire.smtp.client_events import Stage


class ClientState(Enum):
    GREETING = auto()
    """Waiting for 220."""
    GREETED = auto()
    HELLO = auto()
    READY = auto()
    """Idle: each command may start."""
    STARTTLS = auto()
    TLS = auto()
    LOGIN = auto()
    ENVELOPE = auto()
    """MAIL, RCPT and DATA are under way."""
    BODY = auto()
    """The caller writes the message."""
    FINAL = auto()
    QUIT = auto()
    CLOSED = auto()


ALLOWED: dict[str, frozenset[ClientState]] = {
    "hello": frozenset({ClientState.GREETED, ClientState.READY}),
    "starttls": frozenset({ClientState.READY}),
    "tls_started": frozenset({ClientState.TLS}),
    "login": frozenset({ClientState.READY}),
    "begin": frozenset({ClientState.READY}),
    "ask": frozenset({ClientState.READY}),
    "body": frozenset({ClientState.BODY}),
    "quit": frozenset({ClientState.READY, ClientState.GREETED}),
}
"""Which command the caller may give when."""


class Step(Enum):
    """What an awaited reply answers."""

    GREETING = auto()
    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    AUTH = auto()
    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    CHUNK = auto()
    FINAL = auto()
    QUIT = auto()


STAGES: dict[Step, Stage] = {
    Step.GREETING: Stage.CONNECT,
    Step.EHLO: Stage.HELLO,
    Step.HELO: Stage.HELLO,
    Step.STARTTLS: Stage.STARTTLS,
    Step.AUTH: Stage.AUTH,
    Step.RSET: Stage.MAIL,
    Step.MAIL: Stage.MAIL,
    Step.RCPT: Stage.RCPT,
    Step.DATA: Stage.DATA,
    Step.CHUNK: Stage.DATA,
    Step.FINAL: Stage.FINAL,
    Step.QUIT: Stage.FINAL,
}


@dataclass(frozen=True, slots=True)
class Command:
    """``index`` is the recipient's, for RCPT."""

    step: Step
    line: bytes
    index: int = 0
