"""TLS straight on the socket: how connections end, in order, halfway and broken."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.threads import deferToThread

from tests.net.socket_peers import (
    Peer,
    Server,
    connect,
    noise,
    openssl_client,
    reactor,
    read_all,
    secure,
    serving,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


@ensureDeferred
async def test_losing_the_connection_sends_everything_and_says_goodbye_first(server: Server) -> None:
    octets = noise(8_000_000)

    def finish(peer: Peer, data: bytes) -> None:
        peer.transport.write(octets)
        peer.transport.loseConnection()
        peer.transport.write(b"too late")

    server.received = finish

    def read() -> bytes:
        connection = secure(server.port)
        connection.sendall(b"go")
        # What is still sent must not turn the goodbye into a reset.
        connection.sendall(b"and more " * 10_000)
        return read_all(connection)

    assert await deferToThread(read) == octets
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_what_a_peer_sends_behind_our_goodbye_is_heard_out(server: Server) -> None:
    octets = noise(30_000)

    def finish(peer: Peer, data: bytes) -> None:
        assert data == b"go"
        peer.transport.write(octets)
        peer.transport.loseConnection()

    server.received = finish

    def talk() -> bytes:
        with secure(server.port) as connection:
            connection.sendall(b"go")
            heard = read_all(connection)
            # A socket that is closed already answers by a reset, of which the next one is told.
            for _ in range(20):
                connection.sendall(b"and more " * 1_000)
            return heard

    assert await deferToThread(talk) == octets
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_a_peer_that_sent_all_still_gets_what_was_written(server: Server) -> None:
    octets = noise(6_000_000)
    server.received = lambda peer, data: peer.transport.write(octets)

    def read() -> bytes:
        connection = connect(server.plain, receive=8192)
        connection.sendall(b"go")
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)

    assert await deferToThread(read) == octets
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_close_notify_is_answered_by_close_notify(server: Server) -> None:
    def leave() -> None:
        connection = secure(server.port)
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        connection.unwrap()

    await deferToThread(leave)
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_an_end_without_close_notify_is_an_end(server: Server) -> None:
    def leave() -> None:
        connection = secure(server.port)
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        socket.socket(fileno=connection.detach()).close()

    await deferToThread(leave)
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_a_reset_is_a_loss(server: Server) -> None:
    def leave() -> None:
        connection = secure(server.port)
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket(fileno=connection.detach()).close()

    await deferToThread(leave)
    assert isinstance(await server.lost(), ConnectionLost)


@ensureDeferred
async def test_an_aborted_connection_is_reset_and_nothing_is_sent_any_more(server: Server) -> None:
    def abort(peer: Peer, data: bytes) -> None:
        peer.transport.write(b"never seen")
        peer.transport.abortConnection()
        peer.transport.write(b"nor this")
        peer.transport.loseConnection()

    server.received = abort

    def read() -> bytes:
        connection = secure(server.port)
        connection.sendall(b"go")
        return read_all(connection)

    with pytest.raises((ConnectionResetError, ssl.SSLError)):
        await deferToThread(read)
    assert isinstance(await server.lost(), ConnectionAborted)
    server.peers[0].transport.write(b"after the end")


@ensureDeferred
async def test_a_connection_lost_before_its_handshake_costs_no_tls_object(server: Server) -> None:
    made: list[socket.socket] = []
    original = server.contexts.on_socket
    server.contexts.on_socket = lambda accepted: (made.append(accepted), original(accepted))[1]  # type: ignore[method-assign]

    def knock() -> bytes:
        connection = connect(server.port)
        while not server.peers:
            time.sleep(0.01)
        reactor.callFromThread(server.peers[0].transport.loseConnection)
        return connection.recv(100)

    with pytest.raises(ConnectionResetError):
        await deferToThread(knock)
    assert made == []


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@ensureDeferred
async def test_a_peer_that_ends_its_side_gets_all_that_was_asked_for(server: Server, tls: bool) -> None:
    """Half-close: under TLS by close_notify, which ends one direction only (RFC 8446 §6.1)."""
    octets = noise(3_000_000)
    server.received = lambda peer, data: peer.transport.write(octets)

    def read() -> bytes:
        if not tls:
            connection = connect(server.plain, receive=8192)
            connection.sendall(b"go")
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)
        with openssl_client(server.port) as client:
            client.write(b"go")
            client.end_writing()
            heard = b""
            while piece := client.read():
                heard += piece
            return heard

    assert await deferToThread(read) == octets
    assert isinstance(await server.lost(), ConnectionDone)
