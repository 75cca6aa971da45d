"""The IMAP service: its settings and its collaborators.

The dialogue of one connection is ``imap_dialogue``'s, its transport ``imap_server``'s; sockets are opened by ``app``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xtramail.mailbox.services import MailboxServices
from xtramail.net.connection_service import ConnectionService
from xtramail.net.limits import Limits
from xtramail.net.password_check import PasswordCheck
from xtramail.net.timers import Timers
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.imap.client_masks import ClientMask
from xtramail.wire.imap.config import ImapServerConfig


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


class ImapService(ConnectionService):
    """For 993 the listening socket wraps each connection in TLS: ``config.tls_active`` says so. For 143 the client
    begins TLS (``config.starttls``) and can do nothing with an account before."""

    def __init__(
        self,
        *,
        config: ImapServerConfig,
        times: ImapTimes,
        collaborators: ImapCollaborators,
        name: str = "imaps",
        failures: int = 5,
        masks: tuple[ClientMask, ...] = (),
    ) -> None:
        """``name`` in limits, logs and metrics; ``failures``: logins that may fail before the connection is closed."""
        super().__init__(name=name, metrics=collaborators.metrics)
        self.config = config
        self.times = times
        self.collaborators = collaborators
        self.failures = failures
        self.timers = Timers(collaborators.reactor)
        """Of all its connections."""
        self.masks = masks
        """What is hidden from whom; may be set anew, for every ID from then on."""

    @property
    def closing_seconds(self) -> float:
        """How long a connection that said BYE may take to go."""
        return self.times.close_draining if self.draining else self.times.close
