"""The POP3 service (995 or 110): its settings, its collaborators, its open connections, its drain.

What a client's commands do is ``pop3_dialogue``'s, its transport ``pop3_server``'s; sockets are opened by ``app``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed

from xtramail.mailbox.maildrop import KnownSizes
from xtramail.mailbox.session import MailboxServices
from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.net.limits import Limits
from xtramail.store.records import Account
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.pop3.config import Pop3ServerConfig


class PasswordCheck(Protocol):
    """The part of ``directory.login.Login`` used here."""

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pop3Times:
    """Seconds."""

    handshake: float = 15.0
    login: float = 60.0
    """From connecting to a login; bytes do not move it."""
    idle: float = 600.0
    """Without a command, or without taking what is sent (RFC 1939 §3 wants at least 10 minutes)."""
    idle_draining: float = 5.0
    """The same while the server stops: a session at work may come to its QUIT, which alone deletes."""
    failed_login: float = 0.3
    """A failed login is answered no sooner, so that time tells nothing."""
    close: float = 10.0
    """For what is written to be taken, once we want to be gone."""
    turn: float = 0.015
    """Longest work for one connection before the others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pop3Collaborators:
    """What a connection works with. ``reactor`` tells time (IReactorTime)."""

    reactor: Any
    limits: Limits
    metrics: Metrics
    login: PasswordCheck
    mailboxes: MailboxServices
    sizes: KnownSizes = field(default_factory=KnownSizes)
    """Give the same to all POP3 services of one server."""
    tls_context: Any = None
    """What ``startTLS`` takes (IOpenSSLServerConnectionCreator); only for a port with STLS."""


class OpenConnection(Protocol):
    def drain(self) -> None: ...

    def cut(self) -> None: ...


class Pop3Service:
    """For 995 the listening socket wraps each connection in TLS: ``config.tls_active`` says so."""

    def __init__(
        self,
        *,
        config: Pop3ServerConfig,
        times: Pop3Times,
        collaborators: Pop3Collaborators,
        name: str = "pop3s",
        failures: int = 5,
    ) -> None:
        """``name`` in limits, logs and metrics; ``failures``: logins that may fail before the connection is closed."""
        self.name = name
        self.config = config
        self.times = times
        self.collaborators = collaborators
        self.failures = failures
        self.draining = False
        self._open: set[OpenConnection] = set()
        self._drained: Deferred[None] | None = None

    @property
    def idle_seconds(self) -> float:
        return self.times.idle_draining if self.draining else self.times.idle

    def opened(self, connection: OpenConnection) -> None:
        self._open.add(connection)
        self.collaborators.metrics.connection_opened(self.name)

    def closed(self, connection: OpenConnection) -> None:
        self.collaborators.metrics.connection_closed(self.name)
        self._open.discard(connection)
        if not self._open and self._drained is not None:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def turned_away(self, peer: Peer, reason: str) -> None:
        """A limit refused the connection, or its login."""
        maillog.connection_turned_away(service=self.name, peer=peer, reason=reason)
        self.collaborators.metrics.connection_turned_away(self.name)

    def handshake_failed(self, peer: Peer, reason: str) -> None:
        maillog.tls_failed(service=self.name, peer=peer, reason=reason)
        self.collaborators.metrics.handshake_failed(self.name)

    def drain(self) -> Deferred[None]:
        """Who has not logged in goes now, the others when they said QUIT or fall silent; fires when all are gone."""
        self.draining = True
        for connection in list(self._open):
            connection.drain()
        if not self._open:
            return succeed(None)
        if self._drained is None:
            self._drained = Deferred()
        return self._drained

    def cut(self) -> None:
        """The time to drain is over: close what is left. What had no QUIT deletes nothing."""
        for connection in list(self._open):
            connection.cut()
