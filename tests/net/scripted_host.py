"""An SMTP host on loopback that says what a test tells it, octet for octet; nothing of xtramail's is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure

HANG = b""
"""Never answer, nor anything after it."""
DROP = b"\0drop"
"""Close the connection instead of answering."""

Answer = bytes | Callable[[bytes], bytes]
"""Octets without the last CRLF, or a function of the command line that gives them."""

HELLO = b"250-host.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000"


class ScriptedHost(Factory):
    """``answers`` by ``banner``, verb, ``dot``; what is not in it gets a usual answer. May be changed at any time."""

    noisy = False

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = dict(answers)
        self.after: dict[str, bytes] = {}
        """What is said in addition, without being asked, after the answer of that name."""
        self.tls: CertificateOptions | None = None
        self.messages: list[bytes] = []
        self.commands: list[bytes] = []
        self.lines: list[HostLine] = []
        self.connections = 0
        self.received = 0
        self.slow = 0.0
        """Seconds of pause after each read."""
        self.keeps = True
        """Whether the octets of messages are kept."""
        self.port = 0

    def buildProtocol(self, addr: object) -> HostLine:
        self.connections += 1
        line = HostLine(self)
        self.lines.append(line)
        return line

    def verbs(self) -> list[str]:
        return [command.split(b" ")[0].split(b":")[0].decode().upper() for command in self.commands]

    def hang_up(self) -> None:
        """Close every connection."""
        for line in list(self.lines):
            line.transport.abortConnection()


USUAL: dict[str, bytes] = {
    "banner": b"220 host.example ESMTP",
    "EHLO": HELLO,
    "HELO": b"250 host.example",
    "STARTTLS": b"220 go ahead",
    "MAIL": b"250 2.1.0 ok",
    "RCPT": b"250 2.1.5 ok",
    "DATA": b"354 go on",
    "BDAT": b"250 2.0.0 ok",
    "dot": b"250 2.0.0 taken",
    "RSET": b"250 2.0.0 ok",
    "QUIT": b"221 2.0.0 bye",
    "AUTH": b"235 2.7.0 ok",
}


class HostLine(Protocol):
    def __init__(self, host: ScriptedHost) -> None:
        self.host = host
        self.buffer = b""
        self.text: bytearray | None = None
        self.chunks = bytearray()
        self.chunk = 0
        self.last = False
        self.secure = False
        self.recipients = 0
        self.deaf = False

    def connectionMade(self) -> None:
        self.say("banner", b"")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self in self.host.lines:
            self.host.lines.remove(self)

    def say(self, name: str, line: bytes) -> bool:
        usual = USUAL[name]
        if name == "EHLO" and self.host.tls is not None and not self.secure:
            usual = usual.replace(b"250-PIPELINING", b"250-PIPELINING\r\n250-STARTTLS")
        answer = self.host.answers.get(name, usual)
        octets = answer(line) if callable(answer) else answer
        if name == "DATA" and not self.recipients and octets == usual:
            octets = b"554 5.5.1 no valid recipients"
        if octets == DROP:
            self.transport.abortConnection()
        elif octets == HANG:
            self.deaf = True
        else:
            self.transport.write(octets + b"\r\n" + self.host.after.get(name, b""))
        good = octets[:1] in (b"2", b"3")
        if name == "MAIL":
            self.recipients = 0 if good else -1_000
        elif name == "RCPT":
            self.recipients = max(self.recipients + good, 0)
        # A message is there when its dot was read, whether that was answered or not.
        return good or (name == "dot" and octets in (HANG, DROP))

    def dataReceived(self, data: bytes) -> None:
        self.host.received += len(data)
        self.buffer += data
        if self.host.slow:
            self.transport.pauseProducing()
            reactor.callLater(self.host.slow, self.go_on)
        while self.step():
            pass

    def go_on(self) -> None:
        if self in self.host.lines:
            self.transport.resumeProducing()

    def step(self) -> bool:
        if self.deaf:
            self.buffer = b""
            return False
        if self.chunk:
            return self.take_chunk()
        if self.text is not None:
            return self.take_text()
        line, found, rest = self.buffer.partition(b"\r\n")
        if not found:
            return False
        self.buffer = rest
        self.obey(line)
        return True

    def obey(self, line: bytes) -> None:
        self.host.commands.append(line)
        verb = line.split(b" ")[0].split(b":")[0].decode("ascii", "replace").upper()
        if verb == "BDAT":
            words = line.split()
            self.chunk, self.last = int(words[1]), len(words) > 2
            if not self.chunk:
                self.end_chunk(line)
        elif verb not in USUAL:
            self.transport.write(b"500 5.5.2 what?\r\n")
        elif self.say(verb, line):
            if verb == "DATA":
                self.text = bytearray()
            elif verb == "STARTTLS" and self.host.tls is not None:
                self.secure = True
                self.transport.startTLS(self.host.tls)
            elif verb == "QUIT":
                self.transport.loseConnection()

    def take_chunk(self) -> bool:
        piece = self.buffer[: self.chunk]
        self.buffer = self.buffer[self.chunk :]
        self.chunks += piece
        self.chunk -= len(piece)
        if self.chunk:
            return False
        self.end_chunk(b"BDAT")
        return True

    def end_chunk(self, line: bytes) -> None:
        if self.say("dot" if self.last else "BDAT", line) and self.last:
            self.host.messages.append(bytes(self.chunks))
        if self.last:
            self.chunks.clear()

    def take_text(self) -> bool:
        assert self.text is not None
        self.text += self.buffer
        self.buffer = b""
        end = 0 if self.text.startswith(b".\r\n") else self.text.find(b"\r\n.\r\n", max(len(self.text) - 300_000, 0))
        if end < 0:
            if not self.host.keeps:
                del self.text[:-5]
            return False
        skip = 3 if self.text.startswith(b".\r\n") else 5
        message = bytes(self.text[: end + 2]) if skip == 5 else b""
        self.buffer = bytes(self.text[end + skip :])
        self.text = None
        message = message[1:] if message.startswith(b".") else message
        if self.say("dot", b""):
            self.host.messages.append(message.replace(b"\r\n.", b"\r\n"))
        return True


@contextmanager
def listening(host: ScriptedHost, port: int = 0) -> Iterator[ScriptedHost]:
    """On a free port of 127.0.0.1, or on the one it had before."""
    listener: Any = reactor.listenTCP(port, host, interface="127.0.0.1")
    host.port = listener.getHost().port
    try:
        yield host
    finally:
        listener.stopListening()
        host.hang_up()


def served(certificate: Path, key: Path) -> CertificateOptions:
    """A TLS context with that chain."""
    chain = certificate.read_bytes().split(b"-----END CERTIFICATE-----\n")
    pems = [piece + b"-----END CERTIFICATE-----\n" for piece in chain if b"BEGIN" in piece]
    loaded = [load_pem_x509_certificate(pem) for pem in pems]
    private = load_pem_private_key(key.read_bytes(), None)
    return CertificateOptions(privateKey=private, certificate=loaded[0], extraCertChain=loaded[1:])


def passed(seconds: float) -> Deferred[None]:
    """A Deferred that fires then, and some turns later.

    On a busy machine the time may be over before what lies in the sockets was looked at even once.
    """
    done: Deferred[None] = Deferred()

    def turn(left: int) -> None:
        if left:
            reactor.callLater(0, turn, left - 1)
        else:
            done.callback(None)

    reactor.callLater(seconds, turn, 20)
    return done

