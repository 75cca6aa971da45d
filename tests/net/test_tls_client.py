"""TLS towards primaries: what is asked of their certificates, and the words when it is not good enough."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from OpenSSL import SSL
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.certificates import CertificateFault
from xtramail.net.tls import ServerContexts
from xtramail.net.tls_client import ClientContexts, ClientTls, TlsMode

NOW = time.time()
DAY = 86_400.0


class Greet(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"220 hello")


class Listen(Protocol):
    def __init__(self) -> None:
        self.outcome: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.outcome.called:
            self.outcome.callback(data)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        if not self.outcome.called:
            self.outcome.errback(reason)


@contextmanager
def primary(folder: Path) -> Iterator[int]:
    store = CertificateStore(folder)
    store.reload(NOW)
    contexts = ServerContexts(store, alpn=(b"smtp",))
    port = reactor.listenTCP(
        0, TLSMemoryBIOFactory(contexts, False, Factory.forProtocol(Greet)), interface="127.0.0.1"
    )
    try:
        yield port.getHost().port
    finally:
        port.stopListening()


async def speak(port: int, tls: ClientTls) -> bytes:
    """Connect, and give what the peer said over TLS."""
    protocol = Listen()
    factory = TLSMemoryBIOFactory(tls, True, Factory.forProtocol(lambda: protocol))
    await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)
    return await protocol.outcome


async def refusal(port: int, tls: ClientTls) -> str:
    with pytest.raises(SSL.Error):
        await speak(port, tls)
    return tls.fault


@ensureDeferred
async def test_a_good_chain_and_name_are_accepted(tmp_path: Path) -> None:
    issue(tmp_path, ["mail.example.org", "127.0.0.1"], now=NOW)
    with primary(tmp_path) as port:
        for hostname in ("mail.example.org", "127.0.0.1"):
            ca_file = tmp_path / "authority" / "ca.crt"
            tls = ClientContexts().for_host(hostname, mode=TlsMode.VERIFY, ca_file=ca_file)
            assert await speak(port, tls) == b"220 hello"
            assert tls.fault == ""


@ensureDeferred
async def test_a_wrong_name_is_refused_with_both_names(tmp_path: Path) -> None:
    issue(tmp_path, ["mail.example.org"], now=NOW)
    ca_file = tmp_path / "authority" / "ca.crt"
    with primary(tmp_path) as port:
        for hostname in ("other.example.org", "127.0.0.1"):
            tls = ClientContexts().for_host(hostname, mode=TlsMode.VERIFY, ca_file=ca_file)
            assert await refusal(port, tls) == f"certificate is for mail.example.org, not for {hostname}"


@ensureDeferred
async def test_an_expired_certificate_is_refused_with_its_date(tmp_path: Path) -> None:
    issue(tmp_path, ["mail.example.org"], now=NOW - 100 * DAY, days=10)
    ca_file = tmp_path / "authority" / "ca.crt"
    with primary(tmp_path) as port:
        tls = ClientContexts().for_host("mail.example.org", mode=TlsMode.VERIFY, ca_file=ca_file)
        assert (await refusal(port, tls)).startswith("certificate expired on 20")


@ensureDeferred
async def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    issue(tmp_path / "theirs", ["mail.example.org"], now=NOW)
    issue(tmp_path / "others", ["mail.example.org"], now=NOW)
    ca_file = tmp_path / "others" / "authority" / "ca.crt"
    with primary(tmp_path / "theirs") as port:
        for trusted in (ca_file, None):
            tls = ClientContexts().for_host("mail.example.org", mode=TlsMode.VERIFY, ca_file=trusted)
            # The chain carries its own root, so OpenSSL sees a self-signed certificate in it.
            assert "trust" in await refusal(port, tls)


@ensureDeferred
async def test_a_self_signed_certificate_is_refused_unless_it_is_the_trusted_file(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path / "made", ["mail.example.org"], now=NOW)
    served = tmp_path / "served"
    served.mkdir()
    (served / "default.crt").write_bytes(certificate.read_bytes())
    (served / "default.key").write_bytes(key.read_bytes())
    leaf_only = tmp_path / "leaf.pem"
    leaf_only.write_text(certificate.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    with primary(served) as port:
        tls = ClientContexts().for_host("mail.example.org", mode=TlsMode.VERIFY)
        assert await refusal(port, tls) == "certificate is self-signed by nobody we trust"
        pinned = ClientContexts().for_host("mail.example.org", mode=TlsMode.VERIFY, ca_file=leaf_only)
        assert await speak(port, pinned) == b"220 hello"


@pytest.mark.parametrize("mode", [TlsMode.OPPORTUNISTIC, TlsMode.REQUIRED])
@ensureDeferred
async def test_unverified_modes_take_any_certificate(tmp_path: Path, mode: TlsMode) -> None:
    issue(tmp_path, ["wrong.example"], now=NOW - 100 * DAY, days=10)
    with primary(tmp_path) as port:
        assert await speak(port, ClientContexts().for_host("mail.example.org", mode=mode)) == b"220 hello"


def test_a_file_of_authorities_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    for _round in range(2):
        with pytest.raises(CertificateFault, match="ca.pem: holds no PEM certificate"):
            ClientContexts().for_host("a.example", mode=TlsMode.VERIFY, ca_file=bad)
        bad.write_text("oops")


def test_one_context_serves_many_connections(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW)
    contexts = ClientContexts()
    ca_file = tmp_path / "authority" / "ca.crt"
    hosts = ("a.example", "b.example")
    made = [
        contexts.for_host(host, mode=TlsMode.VERIFY, ca_file=ca_file).clientConnectionForTLS(None) for host in hosts
    ]
    assert made[0].get_context() is made[1].get_context()
