"""Real connections on loopback to a server whose TLS is straight on the socket: Python and OpenSSL at the other end."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.door import Door
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


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Its certificate is made in ``folder``. At its end nothing may have gone wrong unseen."""
    issue(folder, ["mail.example.org"], now=NOW)
    tls = TlsService(
        CertificateStore(folder, default_name="mail.example.org"),
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
