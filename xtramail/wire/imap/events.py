"""What a connection tells beside commands: literals that stream, bytes it answered by itself, and what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xtramail.wire.imap.commands import Command


class Need(Enum):
    """Why there is no event now."""

    DATA = "data"
    """More bytes from the peer."""
    REPLY = "reply"
    """The command under way must be answered first: ``send`` (or, for APPEND and IDLE, ``accept``)."""
    TLS = "tls"
    """STARTTLS was answered OK: write that, begin TLS, and call ``tls_started``."""
    CLOSED = "closed"
    """Nothing more will come: write what is due and close the connection."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The connection answered by itself (syntax error, continuation, SASL challenge): write ``octets``, no more."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class LiteralChunk:
    """Octets of the accepted APPEND literal, in order; never more than ``Append.size`` in all."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class LiteralEnd:
    """The APPEND command is complete and well-formed: store it, then ``send``."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class LiteralAborted:
    """The APPEND turned out malformed (a NUL, or junk behind the literal): throw its octets away, do not answer."""

    tag: bytes


Event = Command | Answered | LiteralChunk | LiteralEnd | LiteralAborted
