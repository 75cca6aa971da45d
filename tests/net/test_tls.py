"""Server TLS by real handshakes on loopback, with Python's own ssl as the client."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore, Fault
from xtramail.net.certificates import CertificateFault, Identity
from xtramail.net.door import Door
from xtramail.net.tls import TlsService

NOW = time.time()


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


@dataclass
class Served:
    """A TLS echo server on a free port."""

    folder: Path
    port: int
    service: TlsService
    clock: Clock
    told: list[tuple[tuple[Identity, ...], tuple[Fault, ...]]] = field(default_factory=list)


@pytest.fixture(params=[True, False], ids=["direct", "stock"])
def direct(request: pytest.FixtureRequest) -> bool:
    """Whether TLS is on the socket itself, or Twisted's own."""
    return bool(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    issue(tmp_path, ["mail.example.org"], now=NOW)
    return tmp_path


@contextmanager
def serving(folder: Path, *, direct: bool, tickets: bool = True) -> Iterator[Served]:
    told: list[tuple[tuple[Identity, ...], tuple[Fault, ...]]] = []
    clock = Clock()
    service = TlsService(
        CertificateStore(folder, default_name="mail.example.org"),
        reactor=clock,
        now=lambda: NOW,
        on_reload=lambda identities, faults: told.append((identities, faults)),
    )
    contexts = service.contexts(alpn=(b"imap",), tickets=tickets)
    door = Door(direct=direct)
    door.open(Factory.forProtocol(Echo), contexts=contexts)
    service.startService()
    port = door.fit(reactor.listenTCP(0, door, interface="127.0.0.1"))
    try:
        yield Served(folder, port.getHost().port, service, clock, told)
    finally:
        service.stopService()
        port.stopListening()


@dataclass(frozen=True)
class Seen:
    """What a client saw of one connection."""

    names: tuple[str, ...]
    version: str | None
    cipher: str
    alpn: str | None
    resumed: bool
    session: ssl.SSLSession | None
    serial: int


def client_context(*, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def visit(
    port: int, context: ssl.SSLContext, *, name: str | None = None, session: ssl.SSLSession | None = None
) -> Seen:
    """One connection: handshake, an echo (which also brings the session ticket), and what was negotiated."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        with context.wrap_socket(raw, server_hostname=name, session=session) as tls:
            tls.sendall(b"hello")
            assert tls.recv(100) == b"hello"
            certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            return Seen(
                names=tuple(names.get_values_for_type(x509.DNSName)),
                version=tls.version(),
                cipher=(tls.cipher() or ("",))[0],
                alpn=tls.selected_alpn_protocol(),
                resumed=bool(tls.session_reused),
                session=tls.session,
                serial=certificate.serial_number,
            )


def visiting(port: int, context: ssl.SSLContext | None = None, **more: Any) -> Deferred[Seen]:
    return deferToThread(visit, port, context or client_context(), **more)


async def refused(connecting: Awaitable[Seen]) -> str:
    with pytest.raises((ssl.SSLError, ConnectionError)) as caught:
        await connecting
    return str(caught.value)


@ensureDeferred
async def test_tls_1_3_and_1_2_are_spoken_with_forward_secrecy(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        seen = await visiting(served.port)
        assert (seen.version, seen.names) == ("TLSv1.3", ("mail.example.org",))
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        seen = await visiting(served.port, context)
        assert seen.version == "TLSv1.2"
        assert seen.cipher.startswith("ECDHE-ECDSA-")


@ensureDeferred
async def test_tls_1_1_is_refused(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = client_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        assert "VERSION" in (await refused(visiting(served.port, context))).upper()


@ensureDeferred
async def test_suites_without_authenticated_encryption_are_refused(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:AES128-SHA")
        await refused(visiting(served.port, context))


@pytest.mark.parametrize("tickets", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@ensureDeferred
async def test_sessions_are_resumed(folder: Path, tickets: bool, version: ssl.TLSVersion, direct: bool) -> None:
    issue(folder, ["imap.example.org"], now=NOW)
    with serving(folder, direct=direct, tickets=tickets) as served:
        context = client_context()
        context.maximum_version = version
        for name in ("mail.example.org", "imap.example.org", None):
            first = await visiting(served.port, context, name=name)
            assert not first.resumed
            second = await visiting(served.port, context, name=name, session=first.session)
            assert second.resumed


@ensureDeferred
async def test_openssls_own_client_resumes_every_reconnection(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.port}", "-tls1_2", "-reconnect"]
        done = await deferToThread(
            subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith(("New, ", "Reused, "))]
        assert [line.split(",")[0] for line in lines] == ["New"] + ["Reused"] * 5


@ensureDeferred
async def test_ticket_keys_are_thrown_away_after_half_a_day(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        context = client_context()
        first = await visiting(served.port, context)
        served.clock.pump([3600.0] * 12)
        second = await visiting(served.port, context, session=first.session)
        assert not second.resumed
        third = await visiting(served.port, context, session=second.session)
        assert third.resumed


@ensureDeferred
async def test_the_certificate_is_chosen_by_name_and_unknown_names_get_the_default(folder: Path, direct: bool) -> None:
    issue(folder, ["*.example.net"], now=NOW)
    with serving(folder, direct=direct) as served:
        for name, expected in (
            ("imap.example.net", "*.example.net"),
            ("mail.example.org", "mail.example.org"),
            ("unknown.example", "mail.example.org"),
            (None, "mail.example.org"),
        ):
            assert (await visiting(served.port, name=name)).names == (expected,), name


@ensureDeferred
async def test_alpn_offers_mail_and_refuses_browsers(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        assert (await visiting(served.port, client_context(alpn=("imap",)))).alpn == "imap"
        assert (await visiting(served.port, client_context(alpn=("http/1.1", "imap")))).alpn == "imap"
        assert (await visiting(served.port, client_context(alpn=("something",)))).alpn is None
        assert "ALERT" in (await refused(visiting(served.port, client_context(alpn=("h2", "http/1.1"))))).upper()


@ensureDeferred
async def test_a_new_certificate_is_served_after_the_next_look_and_old_connections_live_on(
    folder: Path, direct: bool
) -> None:
    with serving(folder, direct=direct) as served:
        before = await visiting(served.port)
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as raw:
            tls = await deferToThread(client_context().wrap_socket, raw)
            issue(folder, ["mail.example.org"], now=NOW)
            served.clock.advance(30.0)
            after = await visiting(served.port)
            assert after.serial != before.serial

            def echo() -> bytes:
                tls.sendall(b"still here")
                return tls.recv(100)

            assert await deferToThread(echo) == b"still here"
            tls.close()


@ensureDeferred
async def test_a_bad_new_certificate_keeps_the_old_one_and_says_why(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        before = await visiting(served.port)
        (folder / "mail.example.org.crt").write_text("oops")
        served.service.reload()
        assert (await visiting(served.port)).serial == before.serial
        identities, faults = served.told[-1]
        assert [identity.name for identity in identities] == ["mail.example.org"]
        assert "holds no PEM certificate" in faults[0].reason


def issue_weak(folder: Path, name: str) -> None:
    """A certificate in order but for its key, which is too short for OpenSSL."""
    key = ec.generate_private_key(ec.SECP192R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    since = datetime.fromtimestamp(NOW - 60, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize("name", [None, "mail.example.org"])
@ensureDeferred
async def test_a_new_certificate_that_openssl_refuses_keeps_the_old_one_and_is_told(
    folder: Path, direct: bool, name: str | None
) -> None:
    with serving(folder, direct=direct) as served:
        before = await visiting(served.port)
        issue_weak(folder, "mail.example.org")
        served.clock.advance(30.0)
        assert (await visiting(served.port, name=name)).serial == before.serial
        faults = [fault.reason for _, found in served.told for fault in found]
        assert any("OpenSSL refuses it: ee key too small" in reason for reason in faults)


@ensureDeferred
async def test_of_several_one_that_openssl_refuses_keeps_its_old_one_and_is_told(folder: Path, direct: bool) -> None:
    issue(folder, ["other.example.org"], now=NOW)
    with serving(folder, direct=direct) as served:
        before = [await visiting(served.port, name=name) for name in (None, "other.example.org")]
        assert before[0].serial != before[1].serial
        issue_weak(folder, "other.example.org")
        served.clock.advance(30.0)
        after = [await visiting(served.port, name=name) for name in (None, "other.example.org")]
        assert [seen.serial for seen in after] == [seen.serial for seen in before]
        faults = [fault.reason for _, found in served.told for fault in found]
        assert any("OpenSSL refuses it: ee key too small" in reason for reason in faults)


@ensureDeferred
async def test_certbots_links_are_followed_when_they_change(tmp_path: Path, direct: bool) -> None:
    live = tmp_path / "live" / "mail.example.org"
    live.mkdir(parents=True)
    for round_number in (1, 2):
        for made, name in zip(
            issue(tmp_path / "made", ["mail.example.org"], now=NOW), ("fullchain", "privkey"), strict=True
        ):
            shutil.copy(made, tmp_path / f"{name}{round_number}.pem")
    for name in ("fullchain", "privkey"):
        (live / f"{name}.pem").symlink_to(tmp_path / f"{name}1.pem")
    with serving(tmp_path, direct=direct) as served:
        before = await visiting(served.port)
        for name in ("fullchain", "privkey"):
            (live / "new").symlink_to(tmp_path / f"{name}2.pem")
            os.replace(live / "new", live / f"{name}.pem")
        served.clock.advance(30.0)
        assert (await visiting(served.port)).serial != before.serial


def test_a_service_without_any_certificate_does_not_start(tmp_path: Path, direct: bool) -> None:
    with pytest.raises(CertificateFault, match="has no certificate to serve"), serving(tmp_path, direct=direct):
        pass


@ensureDeferred
async def test_renegotiation_is_refused(folder: Path, direct: bool) -> None:
    with serving(folder, direct=direct) as served:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.port}", "-tls1_2"]
        done = await deferToThread(
            subprocess.run, command, input="R\nstill\n", capture_output=True, text=True, timeout=60
        )
        assert "no renegotiation" in done.stdout + done.stderr


def test_a_callable_clock_is_asked_for_the_time(folder: Path) -> None:
    asked: list[Callable[[], float]] = []
    clock = Clock()

    def now() -> float:
        asked.append(now)
        return NOW

    service = TlsService(CertificateStore(folder), reactor=clock, now=now, on_reload=lambda *_found: None)
    service.startService()
    service.stopService()
    assert len(asked) == 1
    assert clock.getDelayedCalls() == []
