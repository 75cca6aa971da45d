"""The client side of one SMTP connection."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.address import Address
from xtramail.model.envelope import Envelope
from xtramail.model.secret import Secret
from xtramail.wire.smtp.client_events import ClientEvent
from xtramail.wire.smtp.events import Need


@dataclass(frozen=True, slots=True)
class SmtpClientConfig:
    """How we present ourselves. ``chunking``: use BDAT where CHUNKING and PIPELINING are offered."""

    hostname: str
    tls_active: bool = False
    chunking: bool = False


class SmtpClientConnection:
    """``feed`` what came, call ``next_event`` until it returns a Need; each command method returns the bytes to write.

    Need.DATA: wait for bytes (or for the caller's next command, when idle). Need.TLS: start TLS, then ``tls_started``
    and ``hello`` again. Need.CLOSE: close. MisuseError from a command that is not allowed now.
    """

    def __init__(self, config: SmtpClientConfig) -> None:
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        """Buffer what the server sent."""
        raise NotImplementedError

    def next_event(self) -> ClientEvent | Need:
        """The next thing to act on. ProtocolError (once) when the server talks junk: the connection is then lost, and
        further calls give ``Finished`` for what was under way and ``Need.CLOSE``."""
        raise NotImplementedError

    def lost(self) -> None:
        """The transport closed or a deadline passed: ``next_event`` now ends what is under way, then says Need.CLOSE."""
        raise NotImplementedError

    def hello(self) -> bytes:
        """EHLO; HELO follows by itself when EHLO is refused with 5xx."""
        raise NotImplementedError

    def offers(self, keyword: str) -> bool:
        """Was this extension in the last EHLO reply? (``STARTTLS``, ``SMTPUTF8``, ...)"""
        raise NotImplementedError

    def starttls(self) -> bytes:
        """Ask for TLS; then Need.TLS or Declined."""
        raise NotImplementedError

    def tls_started(self) -> None:
        """TLS is up: forget what the server said before (RFC 3207 §4.2); call ``hello`` again."""
        raise NotImplementedError

    def login(self, user: str, password: Secret) -> bytes:
        """AUTH PLAIN, or LOGIN where only that is offered. MisuseError without TLS."""
        raise NotImplementedError

    def begin(self, envelope: Envelope, size: int) -> bytes:
        """Start a transaction for a message of ``size`` octets: BodyWanted or Finished will follow."""
        raise NotImplementedError

    def ask(self, address: Address) -> bytes:
        """MAIL <>, RCPT, RSET: would the server take this recipient? ``Asked`` will follow."""
        raise NotImplementedError

    def body(self, chunk: bytes) -> bytes:
        """Some octets of the message, as they go on the wire. MisuseError on bare CR, LF or NUL (promise 5)."""
        raise NotImplementedError

    def body_end(self) -> bytes:
        """All but the final dot: ends the last line. Write this before the attempt row."""
        raise NotImplementedError

    def final_dot(self) -> bytes:
        """The octets that hand the message over; ``Finished`` will follow."""
        raise NotImplementedError

    def quit(self) -> bytes:
        """QUIT; ``Goodbye`` will follow."""
        raise NotImplementedError
