"""The transport of an accepted connection: the socket read and written directly, plain or under TLS.

Twisted's own TLS passes every octet through two memory BIOs, a second set of producers and, for small answers, another
turn of the reactor; it keeps the BIOs as large as they ever were. Here OpenSSL works on the socket: an answer is one
record and one system call, and an idle connection keeps no buffers.

Owns when is written, who waits for whom, and the order of closing. Octets and OpenSSL's complaints are
``socket_channel``'s, contexts are ``tls``'s. Time limits are the protocol's: nothing here ends by itself.

Three rules make it one piece with the reactor:

- *Corked* while the protocol is called: what it writes leaves together when it is done, or by 64 KiB.
- No call of ours reaches the protocol from within its own call of ``write``: pausing apart, which is part of the
  interface. It is resumed and told of the end by the reactor only.
- What could not be sent is sent again unchanged. OpenSSL has begun to encrypt it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from socket import SHUT_WR, socket
from typing import Any, Protocol

from OpenSSL import SSL, crypto
from twisted.internet import interfaces, main, tcp
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.net.socket_channel import (
    GONE,
    Blocked,
    Channel,
    Octets,
    PlainChannel,
    TlsChannel,
    TlsFault,
    Unreadable,
    Unwritable,
)

_ENOUGH = 64 * 1024
"""Octets that leave even while corked, and that pause a producer when the peer does not take them."""
_CALL = 256 * 1024
"""Most octets given to one call of the channel."""
_TURN = 1024 * 1024
"""Most octets sent before others have their turn."""
_READS = 4
"""Most records read before the protocol sees them."""
_NOTHING = b""


class ServerTls(Protocol):
    """Makes TLS for accepted connections, as ``tls.ServerContexts`` does."""

    def on_socket(self, accepted: socket) -> SSL.Connection:
        """In the server's role, on a non-blocking socket."""


@implementer(interfaces.ISSLTransport, interfaces.INegotiated)
class SocketTransport(tcp.Server):
    """Give it to a listening port as its ``transport`` (``tcp.Port``); ``startTLS`` may be called before the protocol
    is connected, or whenever that wants it."""

    # Beside the attributes of tcp.Server, so that their dictionary stays small enough to share its keys.
    __slots__ = (
        "_blocked", "_channel", "_corked", "_fault", "_goodbye_waits", "_paused", "_peer_ended", "_pieces",
        "_read_when_writable", "_said_goodbye", "_sending", "_shaking", "_tls", "_tls_next", "_unsent",
        "_write_when_readable", "tls_wanted",
    )  # fmt: skip

    protocol: Any
    reactor: Any

    def __init__(
        self, skt: socket, protocol: Any, client: Any, server: Any, sessionno: int, reactor: Any
    ) -> None:
        """As tcp.Server, which tcp.Port calls."""
        super().__init__(skt, protocol, client, server, sessionno, reactor)
        self._channel: Channel = PlainChannel(skt)
        self._tls_next: ServerTls | None = None
        """TLS is wanted: no octet is plain any more, in either direction. Made when the peer's first octet is here, so
        that who only connects costs nothing."""
        self._shaking: TlsChannel | None = None
        """A handshake that is not completed."""
        self.tls_wanted = False
        """Of the two above there is one."""
        self._tls: SSL.Connection | None = None
        """What the connection speaks, from its handshake's end on."""
        self._pieces: list[bytes] = []
        self._sending: Octets = _NOTHING
        """What the channel was given last and has not taken."""
        self._unsent = 0
        """Octets of both."""
        self._corked = False
        """The reactor has called: it sees to what is written, and to ``_fault``, when that is done."""
        self._blocked = False
        """The channel takes nothing until it was asked again by the reactor."""
        self._read_when_writable = self._write_when_readable = False
        """TLS may have to answer before it can go on: these ask for the other direction first."""
        self._paused = False
        """The protocol does not want to read."""
        self._peer_ended = self._said_goodbye = False
        self._goodbye_waits = False
        """For the kernel to take it."""
        self._fault: Exception | None = None
        """Why it is over. Found while the protocol was writing, perhaps; told by the reactor."""

    def _getLogPrefix(self, applicationObject: object) -> str:
        """Twisted asks interfaces for a name that stands in no line of our log, for each connection."""
        return "-"

    # What the protocol asks for.

    def write(self, data: bytes) -> None:
        """Dropped once the connection is being closed, but for what a registered producer still has."""
        if not data or not self._may_write:
            return
        self._pieces.append(data)
        self._unsent += len(data)
        if self._unsent >= _ENOUGH or not self._corked:
            self._send()
            if self._unsent > _ENOUGH and self.producer is not None and self.streamingProducer:
                self.producerPaused = True
                self.producer.pauseProducing()
        if not self._corked and self._wants_writable:
            self.reactor.addWriter(self)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def startTLS(self, ctx: ServerTls, normal: bool = True) -> None:
        """What was written so far leaves plain, all else under TLS. What came in before is the protocol's, which must
        drop it (RFC 3207 §4.2)."""
        if not normal:
            raise ValueError("an accepted connection has the server's side of TLS")
        if self._tls is not None or self.tls_wanted:
            raise ValueError("TLS has been started already")
        self._send()
        if self._pieces:
            # Kept apart from what will be written from now on.
            self._sending = b"".join((self._sending, *self._pieces))
            self._pieces.clear()
        self._tls_next = ctx
        self.tls_wanted = True

    def loseConnection(self) -> None:
        """Flush, say goodbye, and close; under TLS once the peer has said it, too."""
        if not self.connected or self.disconnecting or self._aborting:
            return
        self.disconnecting = 1
        if self.tls_wanted:
            # There is nobody to say goodbye to, and what waits for TLS cannot be said at all.
            self.abortConnection()
        elif self.producer is None:
            self._finish()

    def loseWriteConnection(self) -> None:
        """The same for our side only."""
        if self.connected and not self._writeDisconnecting and not self._aborting:
            self._writeDisconnecting = True
            self._finish()

    def abortConnection(self) -> None:
        """Reset it: nothing that waits is sent, nothing more is received. Without close_notify, so that a peer sees
        that it has not all."""
        super().abortConnection()  # type: ignore[no-untyped-call]
        self._drop()

    def unregisterProducer(self) -> None:
        self.producer = None
        if self.connected and self.disconnecting and not self._aborting:
            self._finish()

    def pauseProducing(self) -> None:
        self._paused = True
        self.reactor.removeReader(self)

    def resumeProducing(self) -> None:
        self._paused = False
        if self.connected and not self._aborting and not self._peer_ended and not self._read_when_writable:
            self.reactor.addReader(self)

    def getHandle(self) -> Any:
        """OpenSSL's connection under TLS, else the socket."""
        return self._tls if self._tls is not None else self.socket

    def getPeerCertificate(self) -> crypto.X509 | None:
        """None too where it showed none."""
        return self._tls.get_peer_certificate() if self._tls is not None else None

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """By ALPN (RFC 7301)."""
        return (self._tls.get_alpn_proto_negotiated() or None) if self._tls is not None else None

    # What the reactor tells.

    def doRead(self) -> Any:
        """Something came."""
        return self._called(self._readable)

    def doWrite(self) -> Any:
        """Something can be sent."""
        fault = self._called(self._writable)
        if fault is None and not self._wants_writable:
            self.reactor.removeWriter(self)
        return fault

    def connectionLost(self, reason: Failure) -> None:
        """The end, from the reactor."""
        self._drop()
        super().connectionLost(reason)

    def _called(self, by: Callable[[], None]) -> Exception | None:
        """Corked; gives why it is over."""
        self._corked = True
        try:
            by()
            self._settle()
        except ConnectionLost as lost:
            self._fault = lost
        finally:
            self._corked = False
        return self._fault

    def _settle(self) -> None:
        """Send what the call has written, and end what has come to its end."""
        if self._aborting:
            return
        self._send()
        if self._peer_ended:
            # Who has sent all may still be reading. What has not been written by now comes too late.
            if not self._unsent:
                self._fault = self._fault or main.CONNECTION_DONE
                if not self._said_goodbye:
                    with suppress(Blocked, ConnectionLost):
                        self._channel.goodbye()
        elif self._writeDisconnecting or self.disconnecting and self.producer is None:
            self._finish()
        if self._wants_writable:
            self.reactor.addWriter(self)

    def _drop(self) -> None:
        # OpenSSL knows the descriptor by its number, which will be another connection's: nothing may be left to use it.
        self._tls = self._shaking = self._tls_next = None
        self.tls_wanted = False
        self._channel = GONE
        self._pieces.clear()
        self._sending, self._unsent = _NOTHING, 0

    # Reading.

    def _readable(self) -> None:
        if self._write_when_readable:
            self._write_when_readable = self._blocked = False
        if self.tls_wanted:
            self._shake()
        else:
            self._read()

    def _read(self) -> None:
        pieces: list[bytes] = []
        try:
            while len(pieces) < _READS:
                octets = self._channel.receive()
                if not octets:
                    self._peer_ended = True
                    self.reactor.removeReader(self)
                    break
                pieces.append(octets)
                if len(octets) < self._channel.full:
                    # Asking for more would only be answered by Blocked.
                    break
        except Blocked as blocked:
            self._wait_to_read(blocked)
        if pieces and not self.disconnecting:
            self.protocol.dataReceived(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _wait_to_read(self, blocked: Blocked) -> None:
        if isinstance(blocked, Unwritable):
            # There may be something to read all the same, for which the reactor would call without end.
            self._read_when_writable = True
            self.reactor.removeReader(self)
            self.reactor.addWriter(self)

    def _shake(self) -> None:
        """Begin a handshake or go on with it, and tell of its end."""
        if self._tls_next is not None:
            if self._sending:
                # It has not seen that we agree.
                raise TlsFault("begun before it was granted")
            self._shaking = TlsChannel(self._tls_next.on_socket(self.socket))
            self._tls_next = None
        shaking = self._shaking
        assert shaking is not None
        try:
            shaking.handshake()
        except Blocked as blocked:
            self._wait_to_read(blocked)
            return
        self._channel, self._tls, self._shaking = shaking, shaking.connection, None
        self.tls_wanted = False
        if interfaces.IHandshakeListener.providedBy(self.protocol):
            listener: Any = self.protocol
            listener.handshakeCompleted()

    # Writing.

    @property
    def _may_write(self) -> bool:
        if not self.connected or self._aborting or self._fault is not None:
            return False
        if self._peer_ended or self._writeDisconnecting:
            return False
        return not self.disconnecting or self.producer is not None

    @property
    def _wants_writable(self) -> bool:
        """The reactor shall call when something can be sent."""
        if self._aborting or self._write_when_readable:
            return False
        if self._read_when_writable or self._goodbye_waits:
            return True
        if self.tls_wanted:
            return bool(self._sending)
        if self._unsent:
            return True
        return self.producer is not None and (self.producerPaused or not self.streamingProducer)

    def _writable(self) -> None:
        self._blocked = self._goodbye_waits = False
        if self._read_when_writable:
            self._read_when_writable = False
            if not self._paused:
                self.reactor.addReader(self)
            self._readable()
        self._send()
        if self._unsent or self.tls_wanted or self._peer_ended or self.producer is None:
            return
        if self.producerPaused or not self.streamingProducer:
            self.producerPaused = False
            self.producer.resumeProducing()

    def _send(self) -> None:
        """As much as the channel takes; what it does not, once the reactor has called."""
        if self._blocked or self._fault is not None:
            return
        left = _TURN
        try:
            while self._unsent and left > 0:
                sending = self._sending
                if not sending:
                    if self.tls_wanted:
                        return
                    # One record for many small pieces, and no copy of a large one.
                    sending = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
                    self._sending = sending
                    self._pieces.clear()
                size = len(sending)
                taken = self._channel.send(sending if size <= _CALL else memoryview(sending)[:_CALL])
                self._sending = memoryview(sending)[taken:] if taken < size else _NOTHING
                self._unsent -= taken
                left -= taken
        except Unreadable:
            self._blocked = self._write_when_readable = True
        except Unwritable:
            self._blocked = True
        except ConnectionLost as lost:
            self._over(lost)

    # The end.

    def _finish(self) -> None:
        """No more will be written: send what waits, say goodbye, and then hear the peer out."""
        self._send()
        if self._unsent == 0 and not self.tls_wanted and not self._said_goodbye and self._fault is None:
            self._say_goodbye()
        if self._wants_writable:
            self.reactor.addWriter(self)

    def _say_goodbye(self) -> None:
        try:
            heard = self._channel.goodbye()
        except Blocked:
            self._goodbye_waits = True
            return
        except ConnectionLost as lost:
            self._over(lost)
            return
        self._said_goodbye = True
        if heard and self.disconnecting:
            self._over(main.CONNECTION_DONE)
            return
        with suppress(OSError):
            # Some clients look at TCP's end only.
            self.socket.shutdown(SHUT_WR)
        if self.disconnecting:
            self.reactor.addReader(self)

    def _over(self, why: Exception) -> None:
        """The protocol is told by the reactor, never from within its own call."""
        self._fault = why
        if not self._corked:
            self.reactor.callLater(0, self.connectionLost, Failure(why))  # type: ignore[no-untyped-call]
