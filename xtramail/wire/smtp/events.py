"""What an SMTP server connection tells its adapter, and what it asks for.

Owns the event types of :class:`xtramail.wire.smtp.server.SmtpServerConnection` only; the client's are in
``client_events``. Three kinds:

- events that **wait**: the connection parses nothing more until ``send(reply)`` (``Waiting``);
- events that carry finished bytes to write (``Answered``, ``DataRefused``);
- ``DataChunk``, which wants neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.outcome import Reply
from xtramail.model.secret import Secret


class Need(Enum):
    """What must happen before ``next_event`` can say more."""

    DATA = auto()
    """Feed more bytes."""
    REPLY = auto()
    """Call ``send`` for the last event first."""
    TLS = auto()
    """Start TLS on the transport (the go-ahead is written), then call ``tls_started``."""
    CLOSE = auto()
    """The dialogue is over: close the transport once everything given is written."""


@dataclass(frozen=True, slots=True)
class Connected:
    """First event of each connection. Waits: 220 greets, 421 or 554 turns the peer away (RFC 5321 §3.1)."""


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO or HELO. Waits. Any open transaction is void (RFC 5321 §4.1.4).

    ``name`` is safe in a trace header: characters outside ``A-Za-z0-9._:-[]`` were replaced with ``?``.
    A positive reply to EHLO is sent as the host name and the extensions, whatever its text.
    """

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class MailFrom:
    """MAIL. Waits. SIZE over the limit never gets here."""

    path: ReversePath


@dataclass(frozen=True, slots=True)
class RcptTo:
    """RCPT. Waits. ``<postmaster>`` without a domain (RFC 5321 §4.1.1.3) has ``address.domain == ""``.

    Source routes and recipients over the limit never get here; ``%``, ``!`` and quoted ``@`` do, in ``address.local``.
    """

    path: ForwardPath


@dataclass(frozen=True, slots=True)
class DataStart:
    """DATA, or the first BDAT of a transaction. Waits: 354 lets the text come; anything else refuses the message.

    The same for both: with BDAT the 354 is not written, and a refusal is written once the chunk has been read.
    """

    chunking: bool


@dataclass(frozen=True, slots=True)
class DataChunk:
    """Some octets of the message, dots unstuffed, exact; never empty, at most 64 KiB. Wants no reply."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class DataEnd:
    """The message is complete. Waits: 250 only when it is durable. ``size`` in octets, the sum of the chunks."""

    size: int


@dataclass(frozen=True, slots=True)
class DataRefused:
    """The message is void: throw away what came of it, and write ``octets``.

    Bare CR, LF or NUL, too large, a line over 1 MiB, or BDAT out of order.
    """

    reply: Reply
    octets: bytes
    delay: float = 0.0
    """Seconds to wait before writing ``octets`` and going on."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS. Waits: 220, then ``Need.TLS``; 454 when TLS cannot be had just now."""


@dataclass(frozen=True, slots=True)
class Auth:
    """A complete login attempt. Waits: 235, 535, or 454 when it cannot be checked now (RFC 4954 §6)."""

    mechanism: str
    authcid: str
    password: Secret


@dataclass(frozen=True, slots=True)
class AuthAborted:
    """The client gave up with ``*``. Waits: 501 (RFC 4954 §4)."""


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET. Waits: 250. Any open transaction is void."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT. Waits: 221; then ``Need.CLOSE``."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The connection answered a command by itself: write ``octets``."""

    command: str
    """The verb, for the log; empty when the line had none."""
    reply: Reply
    octets: bytes
    delay: float = 0.0
    """Seconds to wait before writing ``octets`` and going on."""


Waiting: TypeAlias = (
    Connected | Hello | MailFrom | RcptTo | DataStart | DataEnd | StartTls | Auth | AuthAborted | Reset | Quit
)
Event: TypeAlias = Waiting | DataChunk | DataRefused | Answered
