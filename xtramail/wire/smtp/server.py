"""The server side of one SMTP connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xtramail.model.outcome import Reply
from xtramail.wire.smtp.events import Event, Need, Waiting


class Role(StrEnum):
    """``mx``: mail from the world, no AUTH. ``submission``: MAIL only after STARTTLS (or on 465) and AUTH (RFC 6409)."""

    MX = "mx"
    SUBMISSION = "submission"


@dataclass(frozen=True, slots=True)
class SmtpServerConfig:
    """What one listening service offers. Sizes in octets."""

    hostname: str
    role: Role = Role.MX
    tls_available: bool = True
    """STARTTLS can be offered."""
    tls_active: bool = False
    """TLS is on from the first octet (465)."""
    size_limit: int = 50 * 1024 * 1024
    recipients_limit: int = 1000
    errors_before_delay: int = 10
    errors_limit: int = 20
    idle_commands_limit: int = 100
    """Commands without progress (no message accepted, no login)."""
    auth_failures_limit: int = 5


class SmtpServerConnection:
    """Four verbs: ``feed``, ``next_event``, ``send``, ``tls_started``.

    The adapter's loop: ``feed`` what came, then call ``next_event`` until it returns a Need. Write the ``octets`` of
    ``Answered`` and ``DataRefused`` and the result of ``send``, first waiting ``delay`` seconds. Before the first byte: the first
    event is ``Connected``.
    """

    def __init__(self, config: SmtpServerConfig) -> None:
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        """Buffer what the peer sent; after the end it is dropped."""
        raise NotImplementedError

    @property
    def full(self) -> bool:
        """Over 64 KiB are buffered: pause the transport until ``next_event`` has taken them."""
        raise NotImplementedError

    def next_event(self) -> Event | Need:
        """The next thing to act on. Never raises for anything the peer sent."""
        raise NotImplementedError

    def send(self, reply: Reply) -> bytes:
        """Answer the waiting event; returns the bytes to write (b"" after 354 to BDAT). A 421 ends the connection.

        MisuseError when nothing waits, or the reply cannot answer that event. The bytes may carry another reply
        than the one given: 421 when the peer has made too many errors.
        """
        raise NotImplementedError

    @property
    def delay(self) -> float:
        """Seconds to hold back the bytes given last (``send``, ``Answered``) and to parse nothing: 1.0 after 10 errors."""
        raise NotImplementedError

    def usual_reply(self, event: Waiting) -> Reply:
        """The positive answer to ``event`` (501 for AuthAborted): what to ``send`` when policy has nothing to say."""
        raise NotImplementedError

    def tls_started(self) -> None:
        """TLS is up: forgets all state and drops buffered bytes (RFC 3207 §4.2). MisuseError unless Need.TLS was said."""
        raise NotImplementedError

    def hang_up(self, reply: Reply) -> bytes:
        """End from our side at any time (421 on time-out or drain): the bytes to write; then ``Need.CLOSE``."""
        raise NotImplementedError

    # For trace headers and the log: hello_name: str, extended: bool, tls_active: bool, authenticated: str (authcid or ""),
    # protocol: str (RFC 3848 "with": ESMTPSA, UTF8SMTPS, ...), close_reason: str.
