"""A server without sockets for tests of IMAP: memory engine, clocks that stand still, clients on string transports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.imap_grammar import check
from xtramail.directory.domain_room import DomainRoom
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.mailbox.append import Appending
from xtramail.mailbox.look import Looks
from xtramail.mailbox.services import MailboxLimits, MailboxServices
from xtramail.mailbox.session import Session
from xtramail.model.bucket import FIRST_DOMAIN_CLASS
from xtramail.model.clock import SetClock
from xtramail.model.errors import BadCredentials, LoginBusy
from xtramail.model.flags import Flag
from xtramail.model.ids import IdSource
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending, drive
from xtramail.model.secret import Secret
from xtramail.net.imap_server import ImapServerProtocol
from xtramail.net.imap_service import ImapCollaborators, ImapService, ImapTimes
from xtramail.net.limits import Limits, LimitSettings
from xtramail.store import accounts, domains, keys, mailboxes
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.messages import Added
from xtramail.store.records import Account, DomainRow
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.imap.config import BASE_CAPABILITIES, ImapServerConfig

ANN = 7
PASSWORD = "correct horse"
MAIL = (
    b"Return-Path: <bob@example.net>\r\n"
    b"From: Bob <bob@example.net>\r\n"
    b"To: ann@example.org\r\n"
    b"Subject: Lunch\r\n"
    b"Date: Thu, 1 Jan 2026 10:00:00 +0100\r\n"
    b"Message-ID: <lunch@example.net>\r\n"
    b"\r\n"
    b"At noon?\r\n"
)


class Handle:
    """The TLS connection that a transport has."""

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def get_cipher_name(self) -> str:
        return "TLS_AES_128_GCM_SHA256"


class TlsTransport(StringTransport):
    """What the protocol sees of a TLS transport."""

    aborted = False

    def getHandle(self) -> Handle:
        return Handle()

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True


class SlowClock(Clock):
    """Ten milliseconds pass between two looks at it."""

    def seconds(self) -> float:
        self.rightNow += 0.01
        return float(self.rightNow)


class FakeLogin:
    """Knows accounts by address; may be busy, may take its time."""

    def __init__(self, known: dict[str, Account]) -> None:
        self.known = known
        self.guard = Guard(SetClock(), GuardLimits())
        self.busy = False
        self.gate: Pending[None] | None = None
        self.clients: list[tuple[str, str]] = []
        """Accounts, and what their clients called themselves."""

    def client_named(self, account: Account, peer: Peer, service: str, client: str) -> None:
        self.clients.append((account.address, client))

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account:
        assert service == "imap"
        if self.gate is not None:
            await self.gate
        if self.busy:
            raise LoginBusy
        account = self.known.get(name.lower())
        if account is None or secret.reveal() != PASSWORD:
            raise BadCredentials(delay=self.guard.refused(peer))
        return account


class World:
    """Everything one service needs, with one user ann@example.org."""

    def __init__(
        self,
        *,
        quota: int = 0,
        limits: LimitSettings | None = None,
        capabilities: Iterable[str] = BASE_CAPABILITIES,
        search_seconds: float = 30.0,
        reactor: Any = None,
        engine: MemoryEngine | None = None,
    ) -> None:
        """``reactor``: the real one, for tests over sockets."""
        self.clock = SetClock()
        self.reactor = reactor or Clock()
        self.full = False
        self.engine = engine or MemoryEngine()
        self.ann = Account(
            id=ANN,
            address="ann@example.org",
            password="",
            quota=quota,
            status="active",
            kind="user",
            created=0.0,
            password_changed=0.0,
        )
        domain = DomainRow(name="example.org", retention_class=FIRST_DOMAIN_CLASS, retention_days=30)
        self.engine.transact(keys.domain_scope("example.org"), lambda txn: domains.put_domain(txn, domain)).result()
        self.put_account(self.ann)
        self.login = FakeLogin({"ann@example.org": self.ann})
        self.services = MailboxServices(
            engine=self.engine,
            looks=Looks(self.engine),
            clock=self.clock,
            ids=IdSource(self.clock),
            limits=MailboxLimits(search_seconds=search_seconds),
            room=DomainRoom(self.engine, self.clock).fits,
            full=lambda: self.full,
        )
        self.limits = Limits(limits or LimitSettings(), self.clock)
        self.service = ImapService(
            config=ImapServerConfig(tls_active=True, capabilities=tuple(capabilities)),
            times=ImapTimes(),
            collaborators=ImapCollaborators(
                reactor=self.reactor,
                limits=self.limits,
                metrics=Metrics(),
                login=self.login,
                mailboxes=self.services,
            ),
        )

    def put_account(self, account: Account) -> None:
        self.engine.transact(keys.user_scope(account.id), lambda txn: accounts.put_account(txn, account)).result()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.reactor.advance(seconds)

    def session(self) -> Session:
        session = Session(self.services, self.ann)
        drive(session.open())
        return session

    def deliver(
        self,
        message: bytes = MAIL,
        mailbox: str = "INBOX",
        flags: Flag | None = None,
        keywords: tuple[str, ...] = (),
        received_at: int | None = None,
    ) -> Added:
        """As a delivery would: nothing of it passes a connection."""
        now = self.clock.now()
        self.engine.transact(keys.user_scope(ANN), lambda txn: mailboxes.ensure_special(txn, now)).result()
        session = Session(self.services, self.ann)
        appending = Appending(session, mailbox, len(message), flags or Flag(0), keywords, received_at)
        appending.chunk(message)
        return drive(appending.finish())

    def client(self, *, login: bool = True, address: str = "192.0.2.1", bytewise: bool = False) -> Client:
        return Client(self, login=login, address=address, bytewise=bytewise)


class Client:
    """One connection. ``say`` gives what the server answers, as one text."""

    def __init__(self, world: World, *, login: bool, address: str, bytewise: bool) -> None:
        self.world = world
        self.bytewise = bytewise
        self.transport = TlsTransport(peerAddress=IPv4Address("TCP", address, 40000))
        self.protocol = ImapServerProtocol(world.service)
        self.protocol.makeConnection(self.transport)
        self._count = 0
        self.protocol.handshakeCompleted()
        self.greeting = self.heard()
        if login:
            answer = self.say(f'LOGIN ann@example.org "{PASSWORD}"')
            assert " OK " in answer, answer

    def send(self, octets: bytes) -> None:
        if self.bytewise:
            for index in range(len(octets)):
                self.protocol.dataReceived(octets[index : index + 1])
        else:
            self.protocol.dataReceived(octets)

    def heard(self) -> str:
        self.world.reactor.advance(0)
        octets = self.transport.value()
        self.transport.clear()
        return octets.decode("latin-1")

    def say(self, command: str) -> str:
        """Send ``command`` behind a fresh tag; everything that came back, the tag shown as ``T``."""
        self._count += 1
        tag = f"t{self._count}"
        self.send(f"{tag} {command}\r\n".encode("latin-1"))
        answer = self.heard()
        check(answer.encode("latin-1"))
        return re.sub(rf"(?m)^{tag} ", "T ", answer)

    def append(self, message: bytes, mailbox: str = "INBOX", extra: str = "") -> str:
        self._count += 1
        tag = f"t{self._count}"
        self.send(f"{tag} APPEND {mailbox} {extra}{{{len(message)}+}}\r\n".encode("latin-1") + message + b"\r\n")
        return re.sub(rf"(?m)^{tag} ", "T ", self.heard())

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting

    def lose(self) -> None:
        self.protocol.connectionLost()
