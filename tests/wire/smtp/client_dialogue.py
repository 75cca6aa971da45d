"""Plays a client dialogue from its text: what the server says, what the client must write, whole or octet by octet.

``S: text`` is a line the server sends; ``C: text`` is a line the client must have written since; ``T:`` the TLS
handshake happens here; ``X:`` the server closes the connection; ``END:`` the client wants to close.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from xtramail.model.address import Address
from xtramail.model.envelope import Envelope, ForwardPath, ReversePath
from xtramail.model.secret import Secret
from xtramail.wire.smtp.client import SmtpClientConfig, SmtpClientConnection
from xtramail.wire.smtp.client_events import (
    Asked,
    BodyWanted,
    ClientEvent,
    Finished,
    Goodbye,
    Greeted,
    LoggedIn,
    Ready,
    Send,
)
from xtramail.wire.smtp.events import Need

CLIENT = SmtpClientConfig(hostname="mx.example.org")


def envelope(*recipients: str, sender: str = "ann@example.net") -> Envelope:
    """Addresses as text; an empty sender is the null one."""
    return Envelope(
        reverse_path=ReversePath(address=Address.parse(sender) if sender else None),
        forward_paths=tuple(ForwardPath(address=Address.parse(address)) for address in recipients),
    )


@dataclass(frozen=True)
class Job:
    """One transaction, or a question when there is no message."""

    envelope: Envelope
    chunks: tuple[bytes, ...] = (b"Subject: x\r\n\r\n", b".dot\r\n")
    ask: bool = False

    @property
    def size(self) -> int:
        return sum(map(len, self.chunks))


@dataclass
class Courier:
    """Does its jobs one after another, then quits; keeps what it was told."""

    jobs: deque[Job]
    config: SmtpClientConfig = CLIENT
    starttls: bool = False
    login: bool = False
    output: bytes = b""
    events: list[ClientEvent] = field(default_factory=list)
    need: Need = Need.DATA

    def __post_init__(self) -> None:
        self.connection = SmtpClientConnection(self.config)
        self._job: Job | None = None

    def hear(self, octets: bytes) -> None:
        self.connection.feed(octets)
        self.run()

    def lose(self) -> None:
        self.connection.lost()
        self.run()

    def start_tls(self) -> None:
        assert self.need is Need.TLS
        self.connection.tls_started()
        self.output += self.connection.hello()

    @property
    def finished(self) -> list[Finished]:
        return [event for event in self.events if isinstance(event, Finished)]

    @property
    def verdicts(self) -> list[list[str]]:
        return [[f"{o.verdict} {o.stage}" for o in event.outcomes] for event in self.finished]

    def run(self) -> None:
        while not isinstance(event := self.connection.next_event(), Need):
            self.events.append(event)
            self._act(event)
        self.need = event

    def _act(self, event: ClientEvent) -> None:
        connection = self.connection
        match event:
            case Send():
                self.output += event.octets
            case Greeted():
                self.output += connection.hello()
            case Ready() if self.starttls and connection.offers("STARTTLS") and not connection.tls_active:
                self.output += connection.starttls()
            case Ready() if self.login:
                self.output += connection.login("ann", Secret("right"))
            case Ready() | LoggedIn() | Finished() | Asked():
                if connection.idle:
                    self.output += self._next_job()
            case BodyWanted():
                assert self._job is not None
                for chunk in self._job.chunks:
                    self.output += connection.body(chunk)
                self.output += connection.body_end() + connection.final_dot()
            case Goodbye():
                pass

    def _next_job(self) -> bytes:
        if not self.jobs:
            return self.connection.quit()
        self._job = self.jobs.popleft()
        if self._job.ask:
            return self.connection.ask(self._job.envelope.forward_paths[0].address)
        return self.connection.begin(self._job.envelope, self._job.size)


def play(
    text: str,
    jobs: Iterable[Job],
    *,
    bytewise: bool,
    config: SmtpClientConfig = CLIENT,
    starttls: bool = False,
    login: bool = False,
) -> Courier:
    """Replays the dialogue; AssertionError where what was written differs."""
    courier = Courier(jobs=deque(jobs), config=config, starttls=starttls, login=login)
    seen = 0
    for kind, octets in _turns(text):
        match kind:
            case "C:":
                assert courier.output[seen:].decode() == octets.decode()
                seen = len(courier.output)
            case "S:":
                for piece in (octets[at : at + 1] for at in range(len(octets))) if bytewise else [octets]:
                    courier.hear(piece)
            case "T:":
                courier.start_tls()
            case "X:":
                courier.lose()
            case "END:":
                assert courier.need is Need.CLOSE
    assert courier.output[seen:] == b""
    return courier


def _turns(text: str) -> Iterator[tuple[str, bytes]]:
    kind, said = "", b""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        mark, _, rest = line.partition(" ")
        if mark != kind and kind:
            yield kind, said
            said = b""
        kind, said = mark, said + rest.encode() + b"\r\n"
    if kind:
        yield kind, said
