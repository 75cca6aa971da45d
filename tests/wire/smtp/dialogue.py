"""Plays a server dialogue from its text: what the client says, what must come back, whole or octet by octet.

``C: text`` is a line with CRLF; ``C! text`` are raw octets with escapes, nothing added; neighbours are sent in one go.
``S: text`` is a line that must come back (a middle dot at its end stands for nothing, so that a blank before it shows).
``T:`` the TLS handshake happens here. ``X:`` the connection must be over.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xtramail.model.outcome import Reply
from xtramail.wire.smtp.events import (
    Answered,
    Auth,
    DataChunk,
    DataEnd,
    DataRefused,
    DataStart,
    Event,
    Hello,
    Need,
    RcptTo,
    Reset,
    StartTls,
    Waiting,
)
from xtramail.wire.smtp.server import SmtpServerConfig, SmtpServerConnection

MX = SmtpServerConfig(hostname="mx.example.org", size_limit=1000)

Policy = Callable[[Waiting], Reply | None]


def usual_policy(event: Waiting) -> Reply | None:
    """Knows no "unknown", has no room for "busy", and one password; None is the usual answer."""
    match event:
        case RcptTo() if event.path.address.local == "unknown":
            return Reply.of(550, "5.1.1", "no such user here")
        case RcptTo() if event.path.address.local == "busy":
            return Reply.of(451, "4.3.0", "try later")
        case Auth() if event.password.reveal() != "right":
            return Reply.of(535, "5.7.8", "login failed")
    return None


@dataclass
class Peer:
    """A connection with a policy behind it; keeps what happened."""

    config: SmtpServerConfig = MX
    policy: Policy = usual_policy
    output: bytes = b""
    events: list[Event] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    need: Need = Need.DATA

    def __post_init__(self) -> None:
        self.connection = SmtpServerConnection(self.config)
        self._open: bytes | None = None
        self._run()

    def say(self, octets: bytes) -> bytes:
        """Feed, and what came back to it."""
        before = len(self.output)
        self.connection.feed(octets)
        self._run()
        return self.output[before:]

    def say_bytewise(self, octets: bytes) -> bytes:
        return b"".join(self.say(octets[at : at + 1]) for at in range(len(octets)))

    def start_tls(self) -> None:
        assert self.need is Need.TLS
        self.connection.tls_started()
        self._run()

    def lines(self, octets: bytes) -> list[str]:
        return self.say(octets).decode().splitlines()

    def code(self, octets: bytes) -> str:
        """Code and enhanced code of the last reply."""
        return " ".join(self.lines(octets)[-1].split(" ")[:2])

    @property
    def closed(self) -> bool:
        return self.need is Need.CLOSE

    def _run(self) -> None:
        while not isinstance(event := self.connection.next_event(), Need):
            self.events.append(event)
            self._keep(event)
            if isinstance(event, (Answered, DataRefused)):
                self.output += event.octets
                self.delays.append(event.delay)
            elif not isinstance(event, DataChunk):
                assert self.connection.next_event() is Need.REPLY
                reply = self.policy(event) or self.connection.usual_reply(event)
                self.output += self.connection.send(reply)
                self.delays.append(self.connection.delay)
        self.need = event

    def _keep(self, event: Event) -> None:
        match event:
            case DataStart():
                self._open = b""
            case DataChunk():
                assert self._open is not None
                assert 0 < len(event.octets) <= 64 * 1024
                self._open += event.octets
            case DataEnd():
                assert self._open is not None
                assert event.size == len(self._open)
                self.messages.append(self._open)
                self._open = None
            case DataRefused() | Reset() | Hello() | StartTls():
                self._open = None


def play(text: str, *, bytewise: bool, config: SmtpServerConfig = MX, policy: Policy = usual_policy) -> Peer:
    """Replays the dialogue; AssertionError where what came back differs."""
    peer = Peer(config=config, policy=policy)
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
