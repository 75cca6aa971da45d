"""One IMAP client's connection, sans-IO: bytes in, commands out; answers in, bytes out.

Owns order, state and what needs no mailbox: syntax errors, unknown commands, literals, SASL, limits. Does not own
sockets, TLS, clocks (deadlines are the adapter's) nor what a command does (``mailbox``).

Use::

    transport.write(connection.greeting())
    connection.feed(octets)
    while True:
        event = connection.next_event()
        if event is Need.DATA or event is Need.REPLY: break
        if event is Need.CLOSED: close; break
        if isinstance(event, Answered): transport.write(event.octets)
        else: ...      # a Command: write untagged answers, then transport.write(connection.send(ok(...)))
"""

from __future__ import annotations

from enum import Enum

from xtramail.wire.imap.config import ImapServerConfig
from xtramail.wire.imap.events import Event, Need
from xtramail.wire.imap.status import Tagged


class State(Enum):
    """RFC 3501 §3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


class ImapServerConnection:
    """See the module's docstring. Raises ``MisuseError`` only when called out of order; peers cannot make it raise."""

    def __init__(self, config: ImapServerConfig) -> None: ...

    @property
    def state(self) -> State: ...

    @property
    def tls_active(self) -> bool: ...

    @property
    def idling(self) -> bool:
        """IDLE was accepted and not ended: untagged updates may be sent at any time."""

    @property
    def enabled(self) -> frozenset[str]:
        """Capabilities switched on by ENABLE, or by using CONDSTORE syntax."""

    @property
    def buffered(self) -> int:
        """Octets fed and not yet consumed; above 64 KiB the adapter pauses its transport."""

    def greeting(self, text: str = "xtramail ready") -> bytes:
        """``* OK [CAPABILITY ...] text``; once, first."""

    def capabilities(self) -> tuple[str, ...]:
        """What CAPABILITY tells in this state; put it also into the OK of LOGIN (``responses.capability_code``)."""

    def capability_line(self) -> bytes:
        """``* CAPABILITY ...``: the untagged answer."""

    def mask(self, hidden: frozenset[str]) -> None:
        """Hide capabilities from this account's client, from now on."""

    def feed(self, data: bytes) -> None:
        """Buffer only."""

    def next_event(self) -> Event | Need:
        """The next thing to do. ``Need.REPLY`` until the command under way is answered: pipelined ones wait."""

    def accept(self, text: str = "Go ahead") -> bytes:
        """Of APPEND: have its literal; of IDLE: begin. Gives the ``+`` line (empty for a non-synchronizing literal)."""

    def send(self, answer: Tagged) -> bytes:
        """Complete the command under way; changes the state as its outcome says. Untagged answers need no call: they
        are written directly (``responses``), before this."""

    def tls_started(self) -> None:
        """TLS is active: drop every octet buffered before it (RFC 3501 §6.2.1), back to not authenticated."""

    def close(self, text: str, code: bytes = b"") -> bytes:
        """``* BYE text`` (autologout, shutdown): nothing is read any more."""
