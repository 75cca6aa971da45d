"""TLS straight on the socket: STARTTLS, handshakes, new keys, and what is no TLS."""

from __future__ import annotations

import random
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.threads import deferToThread

from tests.net.socket_peers import (
    NOW,
    Peer,
    Server,
    connect,
    context,
    noise,
    openssl_client,
    secure,
    serving,
)
from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.tls import ServerContexts


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


@ensureDeferred
async def test_what_was_written_before_starttls_is_plain_and_what_came_with_it_is_not_read_as_tls(
    server: Server,
) -> None:
    def upgrade(peer: Peer, data: bytes) -> None:
        peer.heard += data
        if not peer.transport.tls_wanted and data.startswith(b"STARTTLS"):
            peer.transport.write(b"220 go ahead\r\n")
            peer.transport.startTLS(server.contexts)
            peer.transport.write(b"under TLS\r\n")

    server.received = upgrade

    def talk() -> bytes:
        plain = connect(server.plain)
        plain.sendall(b"STARTTLS\r\nNOOP\r\n")
        assert plain.recv(100) == b"220 go ahead\r\n"
        connection = context().wrap_socket(plain)
        first = connection.recv(100)
        connection.sendall(b"hello")
        connection.unwrap()
        return first

    assert await deferToThread(talk) == b"under TLS\r\n"
    assert server.peers[0].heard == b"STARTTLS\r\nNOOP\r\nhello"
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_tls_begun_before_it_was_granted_ends_the_connection(server: Server) -> None:
    def upgrade(peer: Peer, data: bytes) -> None:
        # Far more than both kernels keep: the go-ahead behind it has not left.
        peer.transport.write(noise(16_000_000) + b"220 go ahead\r\n")
        peer.transport.startTLS(server.contexts)

    server.received = upgrade

    def talk() -> None:
        plain = connect(server.plain, receive=4096)
        plain.sendall(b"STARTTLS\r\n")
        while not (server.peers and server.peers[0].transport.tls_wanted):
            time.sleep(0.01)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            context().wrap_bio(incoming, outgoing).do_handshake()
        plain.sendall(outgoing.read())
        with suppress(ConnectionResetError):
            while plain.recv(65536):
                pass

    await deferToThread(talk)
    assert str(await server.lost()) == "TLS: begun before it was granted"


@ensureDeferred
async def test_plain_text_after_starttls_ends_the_connection(server: Server) -> None:
    server.received = lambda peer, data: peer.transport.startTLS(server.contexts)

    def talk() -> bytes:
        plain = connect(server.plain)
        plain.sendall(b"STARTTLS\r\n")
        while not (server.peers and server.peers[0].transport.tls_wanted):
            time.sleep(0.01)
        plain.sendall(b"NOOP\r\nQUIT\r\n")
        return plain.recv(100)

    try:
        assert (await deferToThread(talk))[:1] in (b"", b"\x15")
    except ConnectionResetError:
        pass
    lost = await server.lost()
    assert isinstance(lost, ConnectionLost) and str(lost).startswith("TLS: ")


@ensureDeferred
async def test_tls_is_started_once(server: Server) -> None:
    told: list[str] = []

    def again(peer: Peer, data: bytes) -> None:
        try:
            peer.transport.startTLS(server.contexts)
        except ValueError as error:
            told.append(str(error))

    server.received = again
    await deferToThread(lambda: secure(server.port).sendall(b"hello"))
    await server.lost()
    assert told == ["TLS has been started already"]


@ensureDeferred
async def test_a_handshake_waits_for_a_peer_that_takes_our_part_of_it_slowly(server: Server, tmp_path: Path) -> None:
    """What we say in it is larger than the kernels keep: it goes on by itself once there is room."""
    folder = tmp_path / "large"
    folder.mkdir()
    issue(folder, [f"{'long' * 12}{number}.example.org" for number in range(900)], now=NOW)
    certificates = CertificateStore(folder)
    certificates.reload(NOW)
    contexts = ServerContexts(certificates, alpn=(b"imap",))

    def begin(peer: Peer, data: bytes) -> None:
        if data == b"go":
            peer.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            peer.transport.write(b"ok")
            peer.transport.startTLS(contexts)
        else:
            peer.transport.write(data)

    def talk() -> bytes:
        raw = connect(server.plain, receive=4096)
        raw.sendall(b"go")
        assert raw.recv(2) == b"ok"
        with context().wrap_socket(raw) as secured:
            assert len(secured.getpeercert(binary_form=True) or b"") > 50_000
            secured.sendall(b"hello")
            return secured.recv(100)

    server.received = begin
    assert await deferToThread(talk) == b"hello"
    await server.lost()


@ensureDeferred
async def test_keys_are_updated_in_both_directions_while_text_flows(server: Server) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_3"]

    def talk() -> bytes:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        ) as running:
            assert running.stdin is not None and running.stdout is not None
            heard = b""
            # Each is written when the one before was answered: the program looks at the first letter of what it reads.
            for line, answer in (
                (b"before\n", b"before\n"), (b"K\n", b"KEYUPDATE"), (b"between\n", b"between\n"),
                (b"k\n", b"KEYUPDATE"), (b"after\n", b"after\n"), (b"Q\n", b""),
            ):  # fmt: skip
                running.stdin.write(line)
                seen = len(heard)
                while answer not in heard[seen:]:
                    piece = running.stdout.read(65536)
                    assert piece, heard
                    heard += piece
            return heard

    heard = await deferToThread(talk)
    assert heard.count(b"KEYUPDATE") == 2
    assert isinstance(await server.lost(), ConnectionDone)


@ensureDeferred
async def test_a_flood_of_key_updates_is_read_one_in_a_turn(server: Server) -> None:
    reads = 0

    def count(peer: Peer) -> None:
        read = peer.transport.doRead

        def counted() -> Any:
            nonlocal reads
            reads += 1
            return read()

        peer.transport.doRead = counted

    server.shaken = count
    updates = 500

    def flood() -> bytes:
        with openssl_client(server.port) as client:
            for _ in range(updates):
                client.update_keys()
            client.write(b"hello")
            return client.read()

    assert await deferToThread(flood) == b"hello"
    assert reads > updates
    await server.lost()


@pytest.mark.parametrize("seed", range(6))
@ensureDeferred
async def test_broken_handshakes_end_as_losses_without_a_word_in_the_log(server: Server, seed: int) -> None:
    dice = random.Random(seed)

    def hello() -> bytes:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context().wrap_bio(incoming, outgoing, server_hostname=dice.choice((None, "mail.example.org", "x")))
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def broken() -> bytes:
        octets = bytearray(hello())
        match dice.randrange(4):
            case 0:
                return bytes(octets[: dice.randrange(len(octets))])
            case 1:
                return dice.randbytes(dice.randrange(1, 3000))
            case 2:
                return dice.choice((b"GET / HTTP/1.1\r\n\r\n", b"EHLO x\r\n" * 3000, b"\x80" * 20_000, b"\x16\x03\x01"))
            case _:
                for _ in range(dice.randrange(1, 5)):
                    octets[dice.randrange(len(octets))] = dice.randrange(256)
                return bytes(octets) + dice.randbytes(dice.randrange(200))

    def knock() -> None:
        for _ in range(40):
            with connect(server.port) as connection:
                try:
                    connection.sendall(broken())
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
                except OSError:
                    pass

    await deferToThread(knock)
    for peer in server.peers:
        reason = await peer.lost
        assert isinstance(reason, ConnectionLost) or peer.shaken, reason
        assert "\n" not in str(reason)
    assert len(server.peers) == 40


@pytest.mark.parametrize("seed", range(3))
@ensureDeferred
async def test_a_stream_that_is_corrupted_after_the_handshake_is_a_loss(server: Server, seed: int) -> None:
    dice = random.Random(seed)

    def talk() -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context().wrap_bio(incoming, outgoing)
        with connect(server.port) as raw:
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    incoming.write(raw.recv(65536))
            client.write(b"hello" * 100)
            octets = bytearray(outgoing.read())
            octets[-1 - dice.randrange(300)] ^= 1 + dice.randrange(255)
            raw.sendall(octets)
            try:
                while raw.recv(65536):
                    pass
            except ConnectionResetError:
                pass

    await deferToThread(talk)
    assert isinstance(await server.lost(), ConnectionLost)
    assert server.peers[0].heard == b""
