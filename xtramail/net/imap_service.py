"""The IMAP service: its settings, its collaborators, its open connections, its drain.

The dialogue of one connection is ``imap_dialogue``'s, its transport ``imap_server``'s; sockets are opened by ``app``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed

from xtramail.mailbox.session import MailboxServices
from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.net.limits import Limits
from xtramail.store.records import Account
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.imap.config import ImapServerConfig


class PasswordCheck(Protocol):
    """The part of ``directory.login.Login`` used here."""

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapTimes:
    """Seconds, and octets a second."""

    handshake: float = 15.0
    login: float = 60.0
    """From connecting to a login; bytes do not move it."""
    idle: float = 35 * 60.0
    """Without a word from the client (RFC 9051 §5.4 wants 30 minutes; phones idle for 29)."""
    still_here: float = 120.0
    """Between two words of ours in IDLE, which keep address translators awake."""
    rate_grace: float = 60.0
    """Time before a slow APPEND is measured."""
    rate_octets: int = 500
    failed_login: float = 0.3
    """A failed login is answered no sooner, so that time tells nothing."""
    error_delay: float = 1.0
    """Before each answer to a syntax error, from the tenth on."""
    close: float = 10.0
    """For what is written to be taken, once we want to be gone."""
    close_draining: float = 2.0
    """The same while the server stops."""
    turn: float = 0.015
    """Longest work for one connection before the others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapCollaborators:
    """What a connection works with. ``reactor`` tells time (IReactorTime)."""

    reactor: Any
    limits: Limits
    metrics: Metrics
    login: PasswordCheck
    mailboxes: MailboxServices
    tls_context: Any = None
    """What ``startTLS`` takes (IOpenSSLServerConnectionCreator); only for a port with STARTTLS."""


class OpenConnection(Protocol):
    def drain(self) -> None: ...

    def cut(self) -> None: ...


class ImapService:
    """For 993 the listening socket wraps each connection in TLS: ``config.tls_active`` says so."""

    def __init__(
        self,
        *,
        config: ImapServerConfig,
        times: ImapTimes,
        collaborators: ImapCollaborators,
        name: str = "imaps",
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
    def closing_seconds(self) -> float:
        """How long a connection that said BYE may take to go."""
        return self.times.close_draining if self.draining else self.times.close

    def opened(self, connection: OpenConnection) -> None:
        self._open.add(connection)

    def closed(self, connection: OpenConnection) -> None:
        self._open.discard(connection)
        if not self._open and self._drained is not None:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def turned_away(self, peer: Peer, reason: str) -> None:
        """A limit refused the connection, or its login."""
        maillog.imap_turned_away(service=self.name, peer=peer, reason=reason)
        self.collaborators.metrics.connection_turned_away(self.name)

    def handshake_failed(self, peer: Peer, reason: str) -> None:
        maillog.tls_failed(service=self.name, peer=peer, reason=reason)
        self.collaborators.metrics.handshake_failed(self.name)

    def drain(self) -> Deferred[None]:
        """BYE to everybody whose command is answered, and to the others after it; fires when all are gone."""
        self.draining = True
        for connection in list(self._open):
            connection.drain()
        if not self._open:
            return succeed(None)
        if self._drained is None:
            self._drained = Deferred()
        return self._drained

    def cut(self) -> None:
        """The time to drain is over: close what is left."""
        for connection in list(self._open):
            connection.cut()
