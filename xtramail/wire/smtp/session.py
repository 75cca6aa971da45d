"""What a server connection knows of its peer, and forgets: at RSET the transaction, at STARTTLS everything.

Owns these facts and the state of the dialogue; the rules that change them are ``commands`` and ``server``.
"""

from __future__ import annotations

from xtramail.wire.smtp.order import State
from xtramail.wire.smtp.server_config import Role, SmtpServerConfig


class Session:
    """Facts of one connection."""

    __slots__ = (
        "accepted",
        "authenticated",
        "config",
        "declined",
        "extended",
        "hello_name",
        "smtputf8",
        "state",
        "tls_active",
        "trusted",
    )

    def __init__(self, config: SmtpServerConfig) -> None:
        self.config = config
        self.tls_active = config.tls_active
        self.state = State.CONNECTED
        self.hello_name = ""
        self.extended = False
        self.authenticated = ""
        self.trusted = False
        """Submission: MAIL is let pass without a login; policy decides about its sender."""
        self.smtputf8 = False
        self.accepted = 0
        """Recipients of this transaction that were taken."""
        self.declined = 0
        """And those that were not."""

    def start_over(self) -> None:
        """No transaction: what was open is void (RFC 5321 §4.1.4)."""
        self.smtputf8 = False
        self.accepted = 0
        self.declined = 0
        self.state = State.READY if self.hello_name else State.GREETED

    def tls_started(self) -> None:
        """RFC 3207 §4.2: knowledge gained in clear is worth nothing."""
        self.tls_active = True
        self.hello_name = ""
        self.extended = False
        self.authenticated = ""
        self.trusted = False
        self.start_over()

    @property
    def protocol(self) -> str:
        """What a trace header says after "with" (RFC 3848, RFC 6531 §4.3)."""
        if not self.extended:
            return "SMTP"
        secured = ("S" if self.tls_active else "") + ("A" if self.authenticated else "")
        if self.config.role is Role.LMTP:
            return ("UTF8LMTP" if self.smtputf8 else "LMTP") + secured
        return ("UTF8SMTP" if self.smtputf8 else "ESMTP") + secured

    @property
    def answers(self) -> int:
        """How many replies a text gets: one, or one for each recipient that was taken (RFC 2033 §4.2)."""
        return self.accepted if self.config.role is Role.LMTP else 1
