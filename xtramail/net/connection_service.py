"""What every listening service has: its open connections, what is told of them, and how they end when it stops.

Owns no sockets (``app``), no limits (``limits``) and nothing of a protocol.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from xtramail.model.peer import Peer
from xtramail.net.limits import address_block
from xtramail.net.sparse import Sparse
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


class OpenConnection(Protocol):
    """One client's, as its service knows it."""

    def drain(self) -> None:
        """Go now, or as soon as nothing is under way that the client counts on."""

    def cut(self) -> None:
        """Go now."""


class ConnectionService:
    """``draining`` is for good: who comes after it is told so."""

    def __init__(self, *, name: str, metrics: Metrics) -> None:
        """``name`` in limits, logs and metrics: "smtp", "imaps"..."""
        self.name = name
        self.draining = False
        self._metrics = metrics
        self._told = Sparse()
        self._open: set[OpenConnection] = set()
        self._drained: Deferred[None] | None = None

    def opened(self, connection: OpenConnection) -> None:
        self._open.add(connection)
        self._metrics.connection_opened(self.name)

    def closed(self, connection: OpenConnection) -> None:
        self._metrics.connection_closed(self.name)
        self._open.discard(connection)
        if not self._open and self._drained is not None:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def turned_away(self, peer: Peer, reason: str) -> None:
        """A limit refused the connection, or its login: counted each time, told of an address once in a minute."""
        unsaid = self._told.due((address_block(peer.address), reason))
        if unsaid is not None:
            maillog.connection_turned_away(service=self.name, peer=peer, reason=reason, unsaid=unsaid)
        self._metrics.connection_turned_away(self.name)

    def handshake_failed(self, peer: Peer, reason: str) -> None:
        maillog.tls_failed(service=self.name, peer=peer, reason=reason)
        self._metrics.handshake_failed(self.name)

    def drain(self) -> Deferred[None]:
        """Asks each connection to go when it can; fires when all are gone."""
        self.draining = True
        for connection in list(self._open):
            connection.drain()
        if not self._open:
            return succeed(None)
        if self._drained is None:
            self._drained = Deferred()
        return self._drained

    def cut(self) -> None:
        """The time to drain is over: close what is left. What had no answer was not done."""
        for connection in list(self._open):
            connection.cut()
