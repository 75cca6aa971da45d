"""Plays a POP3 dialogue from its text: what the client says, what must come back, whole or octet by octet.

``C: text`` is a line with CRLF, ``C! text`` raw octets with escapes; neighbours are sent in one go. ``S: text`` is a
line that must come back (a middle dot at its end stands for nothing, so that a blank before it shows). ``T:`` the TLS
handshake happens here. ``X:`` the connection must be over.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xtramail.wire.pop3.config import Pop3ServerConfig
from xtramail.wire.pop3.events import Answered, Event, LogIn, Need, Retrieve, Waiting, multiline
from xtramail.wire.pop3.replies import Code, Reply, err, ok
from xtramail.wire.pop3.server import Pop3ServerConnection

TLS = Pop3ServerConfig()
CLEAR = Pop3ServerConfig(tls_active=False, starttls=True)

Answering = Callable[[Waiting], tuple[Reply, bytes]]


def usual(event: Waiting) -> tuple[Reply, bytes]:
    """One password, two messages; every listing is the same two lines."""
    if isinstance(event, LogIn):
        return (ok("in"), b"") if event.password.reveal() == "right one" else (err("wrong", Code.AUTH), b"")
    if isinstance(event, Retrieve) and event.number > 2:
        return err("no such message"), b""
    return ok(type(event).__name__), b"one\r\n..two\r\n" if multiline(event) else b""


@dataclass
class Peer:
    """A connection with answers behind it; keeps what happened."""

    config: Pop3ServerConfig = TLS
    answering: Answering = usual
    output: bytes = b""
    events: list[Event] = field(default_factory=list)
    need: Need = Need.DATA

    def __post_init__(self) -> None:
        self.connection = Pop3ServerConnection(self.config)
        self.output += self.connection.greeting()
        self.run()

    def say(self, octets: bytes) -> bytes:
        """Feed, and what came back to it."""
        before = len(self.output)
        self.connection.feed(octets)
        self.run()
        return self.output[before:]

    def say_bytewise(self, octets: bytes) -> bytes:
        return b"".join(self.say(octets[at : at + 1]) for at in range(len(octets)))

    def start_tls(self) -> None:
        assert self.need is Need.TLS
        self.connection.tls_started()
        self.run()

    @property
    def closed(self) -> bool:
        return self.need is Need.CLOSE

    def run(self) -> None:
        while not isinstance(event := self.connection.next_event(), Need):
            self.events.append(event)
            if isinstance(event, Answered):
                self.output += event.octets
                continue
            assert self.connection.next_event() is Need.REPLY
            reply, lines = self.answering(event)
            self.output += self.connection.send(reply)
            if reply.positive and multiline(event):
                assert self.connection.next_event() is Need.REPLY
                self.output += lines + self.connection.end_lines()
        self.need = event


def play(text: str, *, bytewise: bool, config: Pop3ServerConfig = TLS) -> Peer:
    """Replays the dialogue; AssertionError where what came back differs."""
    peer = Peer(config=config)
    seen = 0
    for kind, octets in _turns(text):
        match kind:
            case "C":
                assert peer.output[seen:] == b""
                (peer.say_bytewise if bytewise else peer.say)(octets)
            case "S":
                assert peer.output[seen:].decode() == octets.decode()
                seen = len(peer.output)
            case "T":
                peer.start_tls()
            case "X":
                assert peer.closed
    assert peer.output[seen:] == b""
    return peer


def _turns(text: str) -> Iterator[tuple[str, bytes]]:
    kind, said = "", b""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        mark, rest = line[:2], line[3:].removesuffix("\u00b7")
        octets = codecs.escape_decode(rest.encode())[0] if mark == "C!" else rest.encode() + b"\r\n"
        assert isinstance(octets, bytes)
        if mark[0] != kind and kind:
            yield kind, said
            said = b""
        kind, said = mark[0], said + octets
    if kind:
        yield kind, said
