"""Asks name servers and gives whole answers, with what they say of DNSSEC. Over UDP, and over TCP what is too long.

Owns sockets and waiting. What the packets mean is ``wire/dns``'; whether a server is to be believed about DNSSEC is for
whoever makes one of these for it.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import ConnectedDatagramProtocol, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from xtramail.delivery.routing import NameServiceDown
from xtramail.model.pending import Pending
from xtramail.net.adapter import start
from xtramail.wire.dns.answer import Answer
from xtramail.wire.dns.packets import BadName, Truncated, Unanswered, answer, question
from xtramail.wire.errors import ProtocolError

WAITS = (1.5, 3.0)
"""Seconds for each round over all servers."""
TCP_WAIT = 5.0
MOST_AT_ONCE = 64
"""Questions on the way; each has a socket of its own, so that a forger has to guess its port, too (RFC 5452)."""


class DnsClient:
    """``delivery.secure_hosts.Names``, by the word of ``servers`` (addresses and ports), in their order."""

    def __init__(self, reactor: Any, servers: Sequence[tuple[str, int]], *, waits: Sequence[float] = WAITS) -> None:
        self._reactor = reactor
        self._servers = tuple(servers)
        self._waits = tuple(waits)
        self._room = DeferredSemaphore(MOST_AT_ONCE)
        self._under_way: set[Deferred[Any]] = set()

    def ask(self, name: str, kind: str) -> Pending[Answer]:
        """The answer about ``name`` for records of ``kind``. Fails with NameServiceDown whatever goes wrong."""
        pending: Pending[Answer] = Pending()
        asked: Deferred[Answer] = self._room.run(lambda: start(self._ask(name, kind)))
        self._under_way.add(asked)

        def ended(result: Answer | Failure) -> None:
            self._under_way.discard(asked)
            if isinstance(result, Answer):
                pending.settle(result)
                return
            error = result.value
            if not isinstance(error, NameServiceDown):
                error = NameServiceDown(f"DNS does not answer for {name} {kind}: {type(error).__name__}")
            pending.fail(error)

        asked.addBoth(ended)
        return pending

    def close(self) -> None:
        """Wait for nothing any more."""
        for asked in list(self._under_way):
            asked.cancel()

    async def _ask(self, name: str, kind: str) -> Answer:
        try:
            packet = question(name, kind, secrets.randbelow(1 << 16))
        except BadName as error:
            raise NameServiceDown(str(error)) from None
        said = "no answer"
        for wait in self._waits:
            for server in self._servers:
                try:
                    return await self._put(server, packet, wait)
                except (Unanswered, Truncated) as error:
                    said = str(error) or "cut short, over TCP too"
                except (ProtocolError, TimeoutError, OSError) as error:
                    said = str(error) or type(error).__name__
        raise NameServiceDown(f"DNS does not answer for {name} {kind}: {said}")

    async def _put(self, server: tuple[str, int], packet: bytes, wait: float) -> Answer:
        try:
            return await self._datagram(server, packet, wait)
        except Truncated:
            return await self._stream(server, packet)

    async def _datagram(self, server: tuple[str, int], packet: bytes, wait: float) -> Answer:
        one = _Datagram(server, packet)
        port = self._reactor.listenUDP(0, one, interface="::" if ":" in server[0] else "0.0.0.0", maxPacketSize=65_535)
        timer = self._reactor.callLater(wait, one.fail, TimeoutError(f"no answer in {wait:g} s"))
        try:
            return await one.answered
        finally:
            if timer.active():
                timer.cancel()
            one.over = True
            port.stopListening()

    async def _stream(self, server: tuple[str, int], packet: bytes) -> Answer:
        one = _Stream(packet)
        factory = Factory.forProtocol(lambda: one)
        factory.noisy = False
        endpoint: Any = HostnameEndpoint(self._reactor, server[0], server[1], timeout=TCP_WAIT)
        connecting: Deferred[Any] = endpoint.connect(factory)
        timer = self._reactor.callLater(TCP_WAIT, one.fail, TimeoutError(f"no answer over TCP in {TCP_WAIT:g} s"))
        connecting.addErrback(one.unreached)
        try:
            return await one.answered
        finally:
            if timer.active():
                timer.cancel()
            one.over = True
            connecting.cancel()
            one.hang_up()


class _Question:
    """One that is waited for until it is answered, or fails."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self.answered: Deferred[Answer] = Deferred()
        self.over = False
        """Nobody waits any more."""

    def take(self, octets: bytes) -> None:
        """The packet of an answer. ProtocolError when it is none to this question."""
        try:
            found = answer(octets, self._packet)
        except (Unanswered, Truncated) as error:
            self.fail(error)
            return
        if not self.answered.called and not self.over:
            self.answered.callback(found)

    def fail(self, error: Exception) -> None:
        if not self.answered.called and not self.over:
            self.answered.errback(error)


class _Datagram(ConnectedDatagramProtocol, _Question):
    noisy = False

    def __init__(self, server: tuple[str, int], packet: bytes) -> None:
        _Question.__init__(self, packet)
        self._server = server

    def startProtocol(self) -> None:
        transport: Any = self.transport
        # The kernel then drops what comes from anywhere else.
        transport.connect(*self._server)
        transport.write(self._packet)

    def datagramReceived(self, datagram: bytes, addr: object = None) -> None:
        with contextlib.suppress(ProtocolError):
            # Answers to other questions are somebody's guesses: they end nothing.
            self.take(datagram)

    def connectionRefused(self) -> None:
        self.fail(ConnectionRefusedError("nobody listens there"))

    def connectionFailed(self, failure: Failure) -> None:
        self.fail(OSError(str(failure.value)))


class _Stream(Protocol, _Question):
    """Two octets of length before each packet (RFC 1035 §4.2.2)."""

    transport: Any

    def __init__(self, packet: bytes) -> None:
        _Question.__init__(self, packet)
        self._buffer = b""

    def connectionMade(self) -> None:
        self.transport.write(len(self._packet).to_bytes(2, "big") + self._packet)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        length = int.from_bytes(self._buffer[:2], "big")
        if len(self._buffer) < 2 + length or len(self._buffer) < 2:
            return
        try:
            self.take(self._buffer[2 : 2 + length])
        except ProtocolError as error:
            self.fail(error)
        self.hang_up()

    def unreached(self, failure: Failure) -> None:
        self.fail(OSError(f"no connection over TCP: {type(failure.value).__name__}"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.fail(OSError("the connection was closed without an answer"))

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()
