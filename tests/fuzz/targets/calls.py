"""A webhook's receiver that answers anything: each call ends in words, and in its time."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.fuzz.target import Target, pieces
from xtramail.delivery.webhook import Answer, Call
from xtramail.model.clock import SetClock
from xtramail.model.secret import Secret
from xtramail.net.tls_client import ClientContexts
from xtramail.net.webhooks import TIMEOUT, HttpWebhooks


@implementer(IHostnameResolver)
class _Resolver:
    def resolveHostName(self, receiver: Any, name: str, port: int = 0, *_more: Any, **_named: Any) -> Any:
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv4Address("TCP", "127.0.0.1", port))
        receiver.resolutionComplete()
        return receiver

    def cancel(self) -> None: ...


@implementer(IReactorPluggableNameResolver)
class _Reactor(MemoryReactorClock):
    nameResolver = _Resolver()

    def installNameResolver(self, resolver: Any) -> None: ...


class _Line(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    @property
    def over(self) -> bool:
        return self.aborted or bool(self.disconnecting)


_CONTEXTS = ClientContexts()


def _play(octets: bytes, rng: Random) -> Iterator[None]:
    reactor = _Reactor()
    hooks = HttpWebhooks(reactor, clock=SetClock(), contexts=_CONTEXTS)
    answers: list[Answer] = []
    call = Call(id="7", url="http://127.0.0.1:8080/x", body=b"{}", secret=Secret("s" * 16))
    hooks.post(call).when_done(lambda pending: answers.append(pending.result()))
    protocol = reactor.tcpClients[0][2].buildProtocol(None)
    line = _Line()
    protocol.makeConnection(line)
    yield
    for piece in pieces(octets, rng):
        if line.over:
            break
        protocol.dataReceived(piece)
        yield
    reactor.advance(rng.choice((0.0, TIMEOUT + 1)))
    protocol.connectionLost(Failure(ConnectionAborted() if line.aborted else ConnectionDone()))
    reactor.advance(TIMEOUT + 1)
    (answer,) = answers
    assert answer.text.isprintable() and len(answer.text) < 200, answer
    yield


CALLS = (
    Target(
        name="webhook",
        play=_play,
        seeds=(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        words=(
            *(b"HTTP/1.1 ", b"HTTP/9.9 ", b"200", b"999", b"-1", b"\r\n\r\n", b"\n", b"Content-Length: ", b"chunked"),
            *(b"Transfer-Encoding: ", b"Connection: close\r\n", b"101 Switching\r\n", b"0\r\n", b"ffffffff\r\n", b": "),
        ),
        runs=200,
    ),
)
