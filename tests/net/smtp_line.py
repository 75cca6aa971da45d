"""One SMTP client on a StringTransport, and the service behind it: whole dialogues without a socket."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.delivery.world import HOSTNAME, World
from xtramail.delivery.turned_away import TurnedAway
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.model.errors import BadCredentials, LoginBusy
from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.net.limits import Limits, LimitSettings
from xtramail.net.smtp_log import SmtpLog
from xtramail.net.smtp_server import SmtpFactory, SmtpServerProtocol
from xtramail.net.smtp_service import SmtpCollaborators, SmtpService, SmtpTimes
from xtramail.store.records import Account
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.smtp.server import Role, SmtpServerConfig


class Handle:
    """What an OpenSSL connection tells of itself."""

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def get_cipher_name(self) -> str:
        return "TLS_AES_256_GCM_SHA384"

    def get_peer_certificate(self, *, as_cryptography: bool) -> None:
        """The client showed none."""


class Line(StringTransport):
    """A transport that records what a socket would be asked to do."""

    def __init__(self, address: str) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", address, 40_000))
        self.tls: list[Any] = []
        self.aborted = False
        self.reading = True

    def startTLS(self, context: Any) -> None:
        self.tls.append(context)

    def getHandle(self) -> Handle:
        return Handle()

    def abortConnection(self) -> None:
        self.aborted = True

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class Passwords:
    """One password is right; a busy pool can be pretended."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.guard = Guard(world.clock, GuardLimits())
        self.busy = False
        self.tried: list[str] = []

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account:
        self.tried.append(name)
        if self.busy:
            raise LoginBusy
        account = self.world.directory.account(name)
        if account is None or secret.reveal() != "right":
            raise BadCredentials(delay=self.guard.refused(peer))
        return account


class Bench:
    def __init__(self, role: Role = Role.MX, *, world: World | None = None, **options: Any) -> None:
        """``options``: fields of LimitSettings, SmtpTimes and SmtpServerConfig by their names."""

        def chosen(kind: Any) -> dict[str, Any]:
            return {name: value for name, value in options.items() if name in kind.__dataclass_fields__}

        self.world = world or World()
        self.clock = Clock()
        self.passwords = Passwords(self.world)
        self.metrics = Metrics()
        log = SmtpLog(self.metrics, turned_away=TurnedAway(self.world.engine, self.world.clock))
        submission = self.world.submission
        self.limits = Limits(LimitSettings(**chosen(LimitSettings)), self.world.clock)
        self.service = SmtpService(
            name="smtp" if role is Role.MX else "submission",
            config=SmtpServerConfig(**{"hostname": HOSTNAME, "role": role} | chosen(SmtpServerConfig)),
            times=SmtpTimes(**chosen(SmtpTimes)),
            collaborators=SmtpCollaborators(
                reactor=self.clock,
                limits=self.limits,
                log=log,
                begin=lambda peer, account: (
                    self.world.intake.begin(peer) if account is None else submission.begin(peer, account)
                ),
                login=self.passwords,
                watch_account=submission.watch,
                tls_context="the context",
            ),
        )
        self.factory = SmtpFactory(self.service)
        self.open()

    def open(self, address: str = "192.0.2.7") -> SmtpServerProtocol:
        self.line = Line(address)
        self.protocol = self.factory.buildProtocol(None)
        self.protocol.makeConnection(self.line)
        return self.protocol

    def said(self) -> bytes:
        """What the server has said since the last look."""
        octets: bytes = self.line.value()
        self.line.clear()
        return octets

    def say(self, octets: bytes) -> bytes:
        self.protocol.dataReceived(octets)
        return self.said()

    def codes(self, octets: bytes) -> list[int]:
        """The codes that ``octets`` are answered with, one for each reply."""
        return codes(self.say(octets))

    def pass_time(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.clock.advance(seconds)

    def start_tls(self) -> None:
        self.said()
        assert codes(self.say(b"EHLO phone.example\r\n")) == [250]
        assert codes(self.say(b"STARTTLS\r\n")) == [220]
        self.protocol.handshakeCompleted()

    def log_in(self, name: str = "ann@local.example", password: str = "right") -> bytes:
        self.start_tls()
        assert codes(self.say(b"EHLO phone.example\r\n")) == [250]
        return self.say(plain(name, password))

    @property
    def closed(self) -> bool:
        return bool(self.line.disconnecting or self.line.aborted)

    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())


def plain(name: str, password: str) -> bytes:
    return b"AUTH PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()) + b"\r\n"


def codes(octets: bytes) -> list[int]:
    """One for each reply; continuation lines count with their last."""
    return [int(line[:3]) for line in octets.split(b"\r\n") if line and line[3:4] != b"-"]


def one_by_one(octets: bytes) -> Iterator[bytes]:
    for at in range(len(octets)):
        yield octets[at : at + 1]
