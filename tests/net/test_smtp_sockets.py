"""The SMTP services on real sockets, with TLS, spoken to by Python's own smtplib in a thread."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.delivery.world import HOSTNAME, World
from tests.net.smtp_line import Passwords
from xtramail.app.authority import issue
from xtramail.delivery.transaction import MailTransaction
from xtramail.model.peer import Peer
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.door import Door
from xtramail.net.limits import Limits, LimitSettings
from xtramail.net.smtp_log import SmtpLog
from xtramail.net.smtp_server import SmtpFactory
from xtramail.net.smtp_service import SmtpCollaborators, SmtpService, SmtpTimes
from xtramail.net.tls import TlsService
from xtramail.store.records import Account
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.smtp.server import Role, SmtpServerConfig

DRAFT = b"From: ann@local.example\r\nTo: bob@local.example\r\nSubject: hi\r\n\r\n.Hi Bob.\r\n"


class Served:
    """Services on free ports; every port and timer is given back by :meth:`close`."""

    def __init__(self, folder: Path, *, direct: bool) -> None:
        now = reactor.seconds()
        issue(folder, [HOSTNAME], now=now)
        self.direct = direct
        self.world = World()
        store = CertificateStore(folder, default_name=HOSTNAME)
        self.tls = TlsService(store, reactor=reactor, now=lambda: now, on_reload=lambda identities, faults: None)
        self.asks = False
        """Clients are asked for a certificate."""
        self.peers: list[Peer] = []
        """Who has sent MAIL."""
        self.contexts = self.tls.contexts(alpn=(b"smtp",), asks=lambda: self.asks)
        self.tls.startService()
        self.ports: list[Any] = []
        self.services: list[SmtpService] = []

    def listen(self, name: str, role: Role, *, tls_active: bool = False) -> int:
        world, submission = self.world, self.world.submission

        def begin(peer: Peer, account: Account | None) -> MailTransaction:
            self.peers.append(peer)
            return world.intake.begin(peer) if account is None else submission.begin(peer, account)

        service = SmtpService(
            name=name,
            config=SmtpServerConfig(hostname=HOSTNAME, role=role, tls_active=tls_active),
            times=SmtpTimes(),
            collaborators=SmtpCollaborators(
                reactor=reactor,
                limits=Limits(LimitSettings(), world.clock),
                log=SmtpLog(Metrics()),
                begin=begin,
                login=Passwords(world),
                watch_account=submission.watch,
                tls_context=self.contexts,
            ),
        )
        door = Door(direct=self.direct)
        door.open(SmtpFactory(service), contexts=self.contexts if tls_active else None)
        port: Any = door.fit(reactor.listenTCP(0, door, interface="127.0.0.1"))
        self.ports.append(port)
        self.services.append(service)
        return int(port.getHost().port)

    async def close(self) -> None:
        for port in self.ports:
            await port.stopListening()
        for service in self.services:
            service.cut()
            await service.drain()
        self.tls.stopService()


@pytest.fixture(params=[True, False], ids=["direct", "stock"])
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    """With TLS on the socket itself, and with Twisted's own."""
    yield Served(tmp_path, direct=request.param)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def in_thread(work: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    return deferToThread(work, *arguments)


@ensureDeferred
async def test_mail_from_the_world_over_starttls(served: Served) -> None:
    port = served.listen("smtp", Role.MX)

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.starttls(context=trusting())
            client.sendmail("zoe@sender.example", ["ann@local.example", "ray@relay.example"], DRAFT)
            client.sendmail("zoe@sender.example", ["ann@local.example"], DRAFT)

    try:
        await in_thread(send)
    finally:
        await served.close()
    first, second = served.world.mailbox(served.world.ann)
    assert served.world.octets(first).endswith(b"\r\n" + DRAFT)
    assert b"with ESMTPS\r\n\t(TLSv1.3 TLS_" in served.world.octets(second)


@ensureDeferred
async def test_submission_over_starttls_and_over_tls(served: Served) -> None:
    starttls, implicit = served.listen("submission", Role.SUBMISSION), served.listen(
        "submissions", Role.SUBMISSION, tls_active=True
    )

    def by_starttls() -> None:
        with smtplib.SMTP("127.0.0.1", starttls, timeout=20) as client:
            with pytest.raises(smtplib.SMTPNotSupportedError):
                client.login("ann@local.example", "right")
            client.starttls(context=trusting())
            client.login("ann@local.example", "right")
            client.sendmail("ann@local.example", ["bob@local.example"], DRAFT)

    def by_tls() -> None:
        with smtplib.SMTP_SSL("127.0.0.1", implicit, timeout=20, context=trusting()) as client:
            client.login("ann@local.example", "right")
            client.sendmail("ann@local.example", ["bob@local.example"], DRAFT)

    try:
        await in_thread(by_starttls)
        await in_thread(by_tls)
    finally:
        await served.close()
    for row in served.world.mailbox(served.world.bob):
        assert b"with ESMTPSA\r\n\t(TLSv1.3" in served.world.octets(row)
    assert len(served.world.mailbox(served.world.bob)) == 2


@ensureDeferred
async def test_a_message_of_twenty_megabytes_arrives_whole(served: Served) -> None:
    port = served.listen("submissions", Role.SUBMISSION, tls_active=True)
    text = DRAFT + b"0123456789" * 7 + b"\r\n"
    large = text + (b"0123456789" * 7 + b"\r\n") * (20_000_000 // 72)

    def send() -> None:
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=60, context=trusting()) as client:
            client.login("ann@local.example", "right")
            client.sendmail("ann@local.example", ["bob@local.example"], large)

    try:
        await in_thread(send)
    finally:
        await served.close()
    (row,) = served.world.mailbox(served.world.bob)
    assert served.world.octets(row).endswith(large)


@ensureDeferred
async def test_a_flood_of_commands_comes_to_an_end(served: Served) -> None:
    port = served.listen("smtp", Role.MX)

    def flood() -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.sendall(b"EHLO a\r\n")
            raw.settimeout(2)
            sent = 0
            try:
                # HELP answers, and is progress of no kind: the hundredth ends the dialogue at the latest.
                while sent < 64 << 20:
                    sent += raw.send(b"HELP\r\n" * 10_000)
            except OSError:
                return sent
            return sent

    try:
        sent = await in_thread(flood)
    finally:
        await served.close()
    assert sent < 64 << 20


@ensureDeferred
async def test_drain_waits_for_a_message_that_is_being_sent(served: Served) -> None:
    port = served.listen("smtp", Role.MX)
    client = await in_thread(smtplib.SMTP, "127.0.0.1", port)

    def begin() -> None:
        client.ehlo()
        client.mail("zoe@sender.example")
        client.rcpt("ann@local.example")
        assert client.docmd("DATA")[0] == 354

    try:
        await in_thread(begin)
        drained = served.services[0].drain()
        assert not drained.called
        client.send(DRAFT + b".\r\n")
        assert (await in_thread(client.getreply))[0] == 250
        assert (await in_thread(client.getreply))[0] == 421
        client.close()
        await drained
    finally:
        await served.close()
    assert len(served.world.mailbox(served.world.ann)) == 1


@ensureDeferred
async def test_a_client_is_asked_for_a_certificate_only_while_somebody_wants_to_know(
    served: Served, tmp_path: Path
) -> None:
    port = served.listen("smtp", Role.MX)
    pair = issue(tmp_path / "client", ["mail.corp.example"], now=reactor.seconds())

    def send(*, shown: bool) -> None:
        context = trusting()
        if shown:
            context.load_cert_chain(*pair)
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.starttls(context=context)
            client.sendmail("zoe@sender.example", ["ann@local.example"], DRAFT)

    try:
        await in_thread(lambda: send(shown=True))
        served.asks = True
        await in_thread(lambda: send(shown=True))
        await in_thread(lambda: send(shown=False))
    finally:
        await served.close()
    not_asked, asked, nothing = (peer.certificate for peer in served.peers)
    assert not_asked is None and nothing is None and asked is not None
    own, authority = x509.load_pem_x509_certificates(pair[0].read_bytes())
    assert asked.chain == (own.public_bytes(Encoding.DER), authority.public_bytes(Encoding.DER))
    assert asked.fingerprint == own.fingerprint(hashes.SHA256()).hex()
