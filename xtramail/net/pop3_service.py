"""The POP3 service (995 or 110): its settings and its collaborators.

What a client's commands do is ``pop3_dialogue``'s, its transport ``pop3_server``'s; sockets are opened by ``app``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xtramail.mailbox.maildrop import KnownSizes
from xtramail.mailbox.services import MailboxServices
from xtramail.net.connection_service import ConnectionService
from xtramail.net.limits import Limits
from xtramail.net.password_check import PasswordCheck
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.pop3.config import Pop3ServerConfig


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


class Pop3Service(ConnectionService):
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
        super().__init__(name=name, metrics=collaborators.metrics)
        self.config = config
        self.times = times
        self.collaborators = collaborators
        self.failures = failures

    @property
    def idle_seconds(self) -> float:
        return self.times.idle_draining if self.draining else self.times.idle
