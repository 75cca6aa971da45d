"""The world of the IMAP tests with a POP3 service beside it, so that clients of both meet on one INBOX."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address

from tests.imap_world import PASSWORD, FakeLogin, TlsTransport, World
from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.net.pop3_server import Pop3ServerProtocol
from xtramail.net.pop3_service import Pop3Collaborators, Pop3Service, Pop3Times
from xtramail.store.records import Account
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.pop3.config import Pop3ServerConfig


class Pop3Login(FakeLogin):
    """As FakeLogin, of the other service."""

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account:
        assert service == "pop3"
        return await super().password(name, secret, peer=peer, service="imap")


class Pop3World(World):
    """One user ann@example.org, by IMAP (``client``) and by POP3 (``pop3``)."""

    def __init__(self, *, config: Pop3ServerConfig | None = None, **given: Any) -> None:
        super().__init__(**given)
        self.pop3_login = Pop3Login(self.login.known)
        self.metrics = Metrics()
        self.pop3_service = Pop3Service(
            config=config or Pop3ServerConfig(),
            times=Pop3Times(),
            collaborators=Pop3Collaborators(
                reactor=self.reactor,
                limits=self.limits,
                metrics=self.metrics,
                login=self.pop3_login,
                mailboxes=self.services,
            ),
        )

    def pop3(self, *, login: bool = True, address: str = "192.0.2.9", bytewise: bool = False) -> Pop3Client:
        return Pop3Client(self, login=login, address=address, bytewise=bytewise)

    @property
    def bugs(self) -> float:
        return self.metrics.registry.get_sample_value("xtramail_bugs_total", {"where": "pop3"}) or 0.0


class Pop3Client:
    """One connection. ``say`` gives what the server answers."""

    def __init__(self, world: Pop3World, *, login: bool, address: str, bytewise: bool) -> None:
        self.world = world
        self.bytewise = bytewise
        self.transport = TlsTransport(peerAddress=IPv4Address("TCP", address, 40000))
        self.protocol = Pop3ServerProtocol(world.pop3_service)
        self.protocol.makeConnection(self.transport)
        if world.pop3_service.config.tls_active:
            self.protocol.handshakeCompleted()
        self.greeting = self.heard()
        if login:
            assert self.say("USER ann@example.org").startswith(b"+OK")
            answer = self.say(f"PASS {PASSWORD}")
            assert answer.startswith(b"+OK"), answer

    def send(self, octets: bytes) -> None:
        pieces = [octets[at : at + 1] for at in range(len(octets))] if self.bytewise else [octets]
        for piece in pieces:
            self.protocol.dataReceived(piece)

    def heard(self) -> bytes:
        for _ in range(3):
            self.world.reactor.advance(0)
        octets: bytes = self.transport.value()
        self.transport.clear()
        return octets

    def say(self, *commands: str) -> bytes:
        """Send the commands in one go; everything that came back."""
        self.send("".join(f"{command}\r\n" for command in commands).encode("latin-1"))
        return self.heard()

    def lines(self, command: str) -> list[str]:
        """Lines of a multi-line answer, without status and end."""
        answer = self.say(command).decode("latin-1").split("\r\n")
        assert answer[0].startswith("+OK"), answer[0]
        assert answer[-2:] == [".", ""]
        return answer[1:-2]

    def message(self, command: str) -> bytes:
        """The message that RETR or TOP answers, dots taken away."""
        status, _, rest = self.say(command).partition(b"\r\n")
        assert status.startswith(b"+OK"), status
        assert rest == b".\r\n" or rest.endswith(b"\r\n.\r\n")
        return b"".join(line[1:] if line[:1] == b"." else line for line in rest[:-3].splitlines(keepends=True))

    @property
    def closed(self) -> bool:
        return bool(self.transport.disconnecting)

    def lose(self) -> None:
        self.protocol.connectionLost()
