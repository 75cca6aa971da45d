"""TLS straight on the socket: what is written arrives whole, in few records, however slowly it is read."""

from __future__ import annotations

import random
import select
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.threads import deferToThread

from tests.net.socket_peers import (
    Peer,
    Server,
    connect,
    context,
    noise,
    reactor,
    read_all,
    secure,
    serving,
)
from xtramail.net.socket_transport import SocketTransport


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("seed", range(4))
@ensureDeferred
async def test_what_is_echoed_is_identical_however_it_is_cut(server: Server, tls: bool, seed: int) -> None:
    dice, octets = random.Random(seed), noise(3_000_000, seed)

    def cut(peer: Peer, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = dice.choice((1, 10, 1000, 16_384, 16_385, 100_000))
            piece, at = data[at : at + size], at + size
            if dice.random() < 0.2:
                peer.transport.writeSequence([piece[:7], piece[7:]])
            else:
                peer.transport.write(piece)

    server.received = cut
    sizes = random.Random(seed + 100)

    def talk() -> bytes:
        connection = secure(server.port) if tls else connect(server.plain)
        connection.setblocking(False)
        heard, at, piece = bytearray(), 0, b""
        while len(heard) < len(octets):
            # One thread for both directions: OpenSSL takes one call at a time on a connection.
            if not piece:
                piece = octets[at : at + sizes.choice((1, 100, 5000, 16_384, 200_000))]
            moved = False
            try:
                sent = connection.send(piece) if piece else 0
                at, piece, moved = at + sent, piece[sent:], sent > 0
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            try:
                new = connection.recv(sizes.choice((1, 100, 70_000)))
                assert new, "the server closed the connection"
                heard += new
            except (BlockingIOError, ssl.SSLWantReadError):
                if not moved:
                    select.select([connection], [connection] if piece else [], [], 5)
        connection.close()
        return bytes(heard)

    assert await deferToThread(talk) == octets


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@ensureDeferred
async def test_a_push_producer_is_paused_for_a_slow_reader_and_the_text_arrives_whole(
    server: Server, tls: bool
) -> None:
    octets = noise(12_000_000)
    at, calls, unsent = 0, [0, 0], []

    class Push:
        paused = False

        def resumeProducing(self) -> None:
            nonlocal at
            calls[1] += 1
            self.paused = False
            while not self.paused and at < len(octets):
                transport.write(octets[at : at + 50_000])
                unsent.append(transport._unsent)
                at += 50_000
            if at >= len(octets):
                transport.unregisterProducer()

        def pauseProducing(self) -> None:
            calls[0] += 1
            self.paused = True

        def stopProducing(self) -> None:
            self.paused = True

    transport: Any = None

    def begin(peer: Peer, data: bytes) -> None:
        nonlocal transport
        transport = peer.transport
        push = Push()
        transport.registerProducer(push, True)
        push.resumeProducing()
        transport.loseConnection()

    server.received = begin

    def read() -> bytes:
        connection = secure(server.port, receive=8192) if tls else connect(server.plain, receive=8192)
        connection.sendall(b"go")
        first = connection.recv(100)
        time.sleep(0.2)
        return first + read_all(connection)

    assert await deferToThread(read) == octets
    assert calls[0] > 3 and calls[1] >= calls[0]
    assert max(unsent) < 64 * 1024 + 50_001
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_a_pull_producer_is_asked_whenever_all_is_sent(server: Server) -> None:
    octets = noise(1_000_000)

    class Pull:
        def __init__(self, transport: Any) -> None:
            self.transport, self.at = transport, 0

        def resumeProducing(self) -> None:
            if self.at >= len(octets):
                self.transport.unregisterProducer()
                self.transport.loseConnection()
                return
            self.transport.write(octets[self.at : self.at + 30_000])
            self.at += 30_000

        def stopProducing(self) -> None:
            """Not used."""

    server.received = lambda peer, data: peer.transport.registerProducer(Pull(peer.transport), False)

    def read() -> bytes:
        connection = secure(server.port)
        connection.sendall(b"go")
        return read_all(connection)

    assert await deferToThread(read) == octets


@ensureDeferred
async def test_two_hundred_at_once_are_served(server: Server) -> None:
    def talk() -> int:
        made = [secure(server.port) for _ in range(200)]
        for number, connection in enumerate(made):
            connection.sendall(b"%d" % number * 1000)
        right = 0
        for number, connection in enumerate(made):
            wanted, heard = b"%d" % number * 1000, b""
            while len(heard) < len(wanted):
                heard += connection.recv(65536)
            right += heard == wanted
            connection.close()
        return right

    assert await deferToThread(talk) == 200


@ensureDeferred
async def test_an_answer_is_one_record_whatever_it_was_written_in(server: Server) -> None:
    server.received = lambda peer, data: [peer.transport.write(b"x" * 100) for _ in range(10)] and None

    def talk() -> int:
        connection = secure(server.port)
        connection.sendall(b"go")
        return len(connection.recv(65536))

    assert await deferToThread(talk) == 1000


@ensureDeferred
async def test_an_answer_that_the_socket_takes_is_no_business_of_the_reactor(server: Server) -> None:
    asked = []

    def answer(peer: Peer, data: bytes) -> None:
        peer.transport.write(b"word" * 20)
        asked.append(peer.transport in reactor.getWriters())

    server.received = answer

    def talk() -> int:
        connection = secure(server.port)
        connection.sendall(b"go")
        return len(connection.recv(65536))

    assert await deferToThread(talk) == 80
    assert asked == [False]


@ensureDeferred
async def test_what_others_write_leaves_at_once(server: Server) -> None:
    server.shaken = lambda peer: None

    def talk() -> bytes:
        connection = secure(server.port)
        while not (server.peers and server.peers[0].shaken):
            time.sleep(0.01)
        reactor.callFromThread(server.peers[0].transport.write, b"news")
        return connection.recv(100)

    assert await deferToThread(talk) == b"news"


@ensureDeferred
async def test_who_is_at_the_other_end_and_what_is_spoken_is_known(server: Server) -> None:
    known: list[Any] = []

    def look(peer: Peer) -> None:
        transport: SocketTransport = peer.transport
        handle = transport.getHandle()
        known.append((handle.get_protocol_version_name(), transport.negotiatedProtocol, transport.getPeerCertificate()))
        assert isinstance(handle, SSL.Connection)

    server.shaken = look

    def talk() -> None:
        offering = context()
        offering.set_alpn_protocols(["imap"])
        with offering.wrap_socket(connect(server.port)) as connection:
            connection.sendall(b"x")
            connection.recv(10)

    await deferToThread(talk)
    await server.lost()
    assert known == [("TLSv1.3", b"imap", None)]


@ensureDeferred
async def test_a_protocol_that_pauses_reads_on_when_it_resumes(server: Server) -> None:
    octets = noise(500_000)

    def gather(peer: Peer, data: bytes) -> None:
        peer.heard += data
        peer.transport.pauseProducing()
        reactor.callLater(0, peer.transport.resumeProducing)

    server.received = gather

    def talk() -> None:
        connection = secure(server.port)
        connection.sendall(octets)
        connection.unwrap()

    await deferToThread(talk)
    assert isinstance(await server.lost(), ConnectionDone)
    assert server.peers[0].heard == octets
