"""One SMTP listening service (25, 587 or 465): its settings and its collaborators.

The dialogue of one connection and the factory are ``smtp_server``'s; sockets are opened by ``app``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xtramail.delivery.transaction import MailTransaction
from xtramail.model.peer import Peer
from xtramail.net.connection_service import ConnectionService
from xtramail.net.limits import Limits
from xtramail.net.password_check import PasswordCheck
from xtramail.net.smtp_log import SmtpLog
from xtramail.store.records import Account
from xtramail.wire.smtp.server import Role, SmtpServerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpTimes:
    """Seconds, and octets a second."""

    handshake: float = 15.0
    command: float = 300.0
    """Between two commands (RFC 5321 §4.5.3.2.7)."""
    stress: float = 10.0
    """The same while over 80 % of the connections are in use."""
    login: float = 60.0
    """From connecting to a login on the submission ports; bytes do not move it."""
    rate_grace: float = 60.0
    """Time before a slow message is measured."""
    rate_octets: int = 500
    failed_login: float = 0.3
    """A failed login is answered no sooner, so that time tells nothing."""
    close: float = 10.0
    """For what is written to be taken, once we want to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpCollaborators:
    """What a connection works with. ``reactor`` tells time (IReactorTime)."""

    reactor: Any
    limits: Limits
    log: SmtpLog
    begin: Callable[[Peer, Account | None], MailTransaction]
    """A transaction of this peer; the account only on submission, and there not of whom ``needs_no_login``."""
    login: PasswordCheck | None = None
    needs_no_login: Callable[[Peer], bool] = lambda _peer: False
    """Submission: this peer may send all the same."""
    watch_account: Callable[[Account, Callable[[], None]], Callable[[], None]] | None = None
    """Calls back when the account may no longer do what it logged in for; returns the un-watcher."""
    tls_context: Any = None
    """What ``startTLS`` takes (IOpenSSLServerConnectionCreator); None: STARTTLS is not offered."""


class SmtpService(ConnectionService):
    """For 465 the listening socket wraps each connection in TLS: ``config.tls_active`` says so."""

    def __init__(
        self, *, name: str, config: SmtpServerConfig, times: SmtpTimes, collaborators: SmtpCollaborators
    ) -> None:
        """``name`` in limits, logs and metrics: "smtp", "submission", "submissions"."""
        super().__init__(name=name, metrics=collaborators.log.metrics)
        self.config = config
        self.times = times
        self.collaborators = collaborators

    @property
    def wants_login(self) -> bool:
        return self.config.role is Role.SUBMISSION
