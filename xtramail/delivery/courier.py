"""The courier: carries one envelope with one body to one host.

Owns the words between the relay and the network. ``net/smtp_client`` is the real one; tests of the relay have a
scripted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from xtramail.model.address import Address
from xtramail.model.envelope import Envelope
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending
from xtramail.model.secret import Secret
from xtramail.wire.dns.answer import Tlsa
from xtramail.wire.smtp.client_events import RecipientOutcome


@dataclass(frozen=True, slots=True)
class Hop:
    """One host to hand a message to. ``tls``: none, opportunistic, required, verify (which checks chain and name) or
    dane (which checks ``tlsa``)."""

    host: str
    port: int
    tls: str = "opportunistic"
    ca: str = ""
    """PEM file of the authorities to believe; empty: those of this machine."""
    user: str = ""
    password: Secret | None = None
    inside: bool = True
    """It may lie in this server's own network."""
    addresses: tuple[str, ...] = ()
    """Where it is; empty: as the machine's resolver says."""
    tlsa: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()
    """For dane: whom a certificate below a trust anchor may be for; the first is asked for by SNI."""
    promise: Literal["", "dane", "sts"] = ""
    """What the domain itself says of TLS there; empty: nothing, ``tls`` is ours."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Body:
    """``size`` octets of message; ``chunks`` reads them from the store, each in a transaction of its own."""

    size: int
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Carried:
    """One outcome for each forward-path, in order; ``host`` and ``tls`` tell who it was (for the log)."""

    outcomes: tuple[RecipientOutcome, ...]
    host: str
    tls: str = ""
    policy: str = ""
    """By what TLS was chosen there: dane, sts, or as Hop has it; none when there was none."""
    fault: str = ""
    """Why the connection did not get as far as the message: refused, timed out, TLS, a reply; empty when it did."""
    dsn: bool = False
    """The host offers DSN (RFC 3461): what became of the message from there on is its to report."""


class NotAsked(PrimaryDown):
    """This machine had no descriptor, memory or port to ask with: that says nothing of the primary."""


class Courier(Protocol):
    """Opens, keeps and closes connections as it sees fit."""

    def carry(
        self,
        hop: Hop,
        envelope: Envelope,
        body: Body,
        *,
        message: str,
        before_dot: Callable[[tuple[int, ...]], Pending[None]],
    ) -> Pending[Carried]:
        """Hand the message over. Never fails: every fault is an outcome.

        ``before_dot`` is given the indexes of the accepted forward-paths when everything but the final dot has been
        written; the dot goes out only after its Pending is settled, and not at all when it fails. ``message`` is the id
        for the log.
        """

    def ask(self, hop: Hop, address: Address) -> Pending[Reply]:
        """What the host says to RCPT for ``address``; PrimaryDown when it does not answer."""

    def probe(self, hop: Hop) -> Pending[None]:
        """Greet the host as for a message and leave; PrimaryDown when it does not come to that, NotAsked when that is
        this machine's own fault."""
