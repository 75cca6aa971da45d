"""The octets of an IMAP connection on their way between transport and engine, deflated when the client asks for it.

Owns the order of the change: what was written before COMPRESS's OK leaves plain, what comes after it is inflated, in
steps, and no faster than the engine consumes it.
"""

from __future__ import annotations

from collections.abc import Callable

from xtramail.net.outbox import Outbox
from xtramail.wire.imap.deflate import Inflow, Outflow
from xtramail.wire.imap.server import ImapServerConnection


class Flow:
    """``send``: octets to the transport."""

    def __init__(self, connection: ImapServerConnection, send: Callable[[bytes], None]) -> None:
        self._connection = connection
        self._send = send
        self._inflow: Inflow | None = None
        self._outflow: Outflow | None = None
        self.outbox = Outbox(self._leave)

    @property
    def compressed(self) -> bool:
        return self._inflow is not None

    @property
    def buffered(self) -> int:
        """Octets that came and are not consumed."""
        return self._connection.buffered + (self._inflow.waiting if self._inflow is not None else 0)

    def feed(self, octets: bytes) -> None:
        """From the transport."""
        if self._inflow is None:
            self._connection.feed(octets)
        else:
            self._inflow.feed(octets)

    def advance(self) -> bool:
        """The engine wants more: whether there was more. BrokenStream."""
        octets = self._inflow.take() if self._inflow is not None else b""
        if octets:
            self._connection.feed(octets)
        return bool(octets)

    def compress(self) -> None:
        """From now on, both ways."""
        self.outbox.flush()
        self._inflow, self._outflow = Inflow(), Outflow()

    def _leave(self, octets: bytes) -> None:
        self._send(octets if self._outflow is None else self._outflow.deflated(octets))
