"""TLS straight on the socket, by real connections on loopback: Python and OpenSSL at the other end."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import select
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.door import Door
from xtramail.net.socket_transport import SocketTransport
from xtramail.net.tls import ServerContexts, TlsService

NOW = time.time()
reactor: Any = installed


@implementer(IHandshakeListener)
class Peer(Protocol):
    """One connection of the server; ``script`` may act on it."""

    transport: Any

    def __init__(self, server: Server) -> None:
        self.server = server
        self.heard = b""
        self.shaken = False
        self.lost: Deferred[Any] = Deferred()
        self.inside = 0

    def connectionMade(self) -> None:
        self.server.peers.append(self)
        self.transport.setTcpNoDelay(True)

    def handshakeCompleted(self) -> None:
        self.shaken = True
        self.server.shaken(self)

    def dataReceived(self, data: bytes) -> None:
        self.inside += 1
        self.server.received(self, data)
        self.inside -= 1

    def connectionLost(self, reason: Any = None) -> None:
        assert not self.inside
        self.lost.callback(reason.value)


@dataclass
class Server:
    """What it does with what it is sent: echo it, unless told otherwise."""

    contexts: ServerContexts
    port: int = 0
    plain: int = 0
    peers: list[Peer] = field(default_factory=list)
    received: Callable[[Peer, bytes], None] = lambda peer, data: peer.transport.write(data)
    shaken: Callable[[Peer], None] = lambda peer: None

    async def lost(self) -> Any:
        """The value that the only connection was lost with."""
        (peer,) = self.peers
        return await peer.lost


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    issue(tmp_path, ["mail.example.org"], now=NOW)
    tls = TlsService(
        CertificateStore(tmp_path, default_name="mail.example.org"),
        reactor=Clock(),
        now=lambda: NOW,
        on_reload=lambda identities, faults: None,
    )
    made = Server(tls.contexts(alpn=(b"imap",)))
    factory = Factory()
    factory.noisy = False
    factory.buildProtocol = lambda addr: Peer(made)  # type: ignore[method-assign, assignment, return-value]
    ports = []
    for contexts in (made.contexts, None):
        door = Door(direct=True)
        door.open(factory, contexts=contexts)
        ports.append(door.fit(reactor.listenTCP(0, door, interface="127.0.0.1", backlog=300)))
    made.port, made.plain = (port.getHost().port for port in ports)
    tls.startService()
    bugs: list[Any] = []

    def noticed(event: Any) -> None:
        if event.get("isError") or "log_failure" in event:
            bugs.append(event)

    globalLogPublisher.addObserver(noticed)
    yield made
    globalLogPublisher.removeObserver(noticed)
    tls.stopService()
    for port in ports:
        port.stopListening()
    for peer in made.peers:
        if not peer.lost.called:
            peer.transport.abortConnection()
    assert bugs == []


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    # Else an end without close_notify looks like one with it.
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return made


def connect(port: int, *, receive: int = 0) -> socket.socket:
    raw = socket.socket()
    if receive:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    raw.settimeout(30)
    raw.connect(("127.0.0.1", port))
    return raw


def secure(port: int, **more: Any) -> ssl.SSLSocket:
    return context().wrap_socket(connect(port, **more), suppress_ragged_eofs=False)


class OpensslClient:
    """What the standard library's ssl cannot do: KeyUpdate, and close_notify with the other direction left open."""

    def __init__(self, library: ctypes.CDLL, connection: int) -> None:
        self._library = library
        self._connection = ctypes.c_void_p(connection)

    def handshake(self) -> None:
        assert self._library.SSL_connect(self._connection) == 1

    def update_keys(self) -> None:
        assert self._library.SSL_key_update(self._connection, 0) == 1
        assert self._library.SSL_do_handshake(self._connection) == 1

    def write(self, octets: bytes) -> None:
        assert self._library.SSL_write(self._connection, octets, len(octets)) == len(octets)

    def end_writing(self) -> None:
        assert self._library.SSL_shutdown(self._connection) == 0

    def read(self) -> bytes:
        """Empty at the end."""
        buffer = ctypes.create_string_buffer(16384)
        size = self._library.SSL_read(self._connection, buffer, len(buffer))
        return buffer.raw[: max(size, 0)]


@contextmanager
def openssl_client(port: int) -> Iterator[OpensslClient]:
    library = ctypes.CDLL(ctypes.util.find_library("ssl"))
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(library, name).restype = ctypes.c_void_p
    contexts = ctypes.c_void_p(library.SSL_CTX_new(ctypes.c_void_p(library.TLS_client_method())))
    connection = library.SSL_new(contexts)
    raw = connect(port)
    raw.settimeout(None)
    library.SSL_set_fd(ctypes.c_void_p(connection), raw.fileno())
    client = OpensslClient(library, connection)
    try:
        client.handshake()
        yield client
    finally:
        library.SSL_free(ctypes.c_void_p(connection))
        library.SSL_CTX_free(contexts)
        raw.close()


def read_all(connection: socket.socket) -> bytes:
    """Until the peer's close_notify, or TCP's end. An SSLError where that came without the other."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


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
