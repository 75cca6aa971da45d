"""Whole ways to the world on loopback: a name server, a web server with policies, and a host that shows what it shows.

What was promised and is not there is never delivered, whoever stands between.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.net.name_server import NameServer
from tests.net.scripted_host import HELLO, ScriptedHost, listening, served
from tests.net.test_smtp_client import MESSAGE
from xtramail.app.authority import issue
from xtramail.delivery.courier import Body, Carried
from xtramail.delivery.routing import RoutingSettings
from xtramail.delivery.secure_hosts import NoSecureHost, SecureHosts
from xtramail.delivery.sts_policies import StsPolicies
from xtramail.model.address import Address
from xtramail.model.clock import SystemClock
from xtramail.model.envelope import Envelope, ForwardPath, ReversePath
from xtramail.model.pending import Pending
from xtramail.net.adapter import deferred, start
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.dane import public_key_info
from xtramail.net.dns_client import DnsClient
from xtramail.net.smtp_client import CourierSettings, SmtpCourier
from xtramail.net.sts_site import StsSite
from xtramail.net.tls import ServerContexts
from xtramail.net.tls_client import ClientContexts
from xtramail.store.memory_engine import MemoryEngine
from xtramail.wire.smtp.client_events import Verdict

FAR = "far.example"
HOST = "mail.far.example"
STRIPPED = HELLO
"""What EHLO says where somebody on the way takes STARTTLS out of it."""
OFFERED = HELLO.replace(b"250-PIPELINING", b"250-STARTTLS")


class Web(Resource):
    isLeaf = True
    policy = b""

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", b"text/plain")
        return self.policy


class Way:
    """From us to ``host``, which is mail.far.example."""

    def __init__(self, folder: Path, names: NameServer, host: ScriptedHost, web: Web, web_port: int) -> None:
        self.folder, self.names, self.host, self.web = folder, names, host, web
        names.put(FAR, "MX", f"10 {HOST}.").put(HOST, "A", "127.0.0.1").put(f"mta-sts.{FAR}", "A", "127.0.0.1")
        self.ca = folder / "authority" / "ca.crt"
        contexts = ClientContexts()
        self.clock = SystemClock()
        self.client = DnsClient(reactor, [names.place], waits=(2, 2))
        self.site = StsSite(reactor, names=self.client, contexts=contexts, authorities=self.ca, port=web_port)
        self.engine = MemoryEngine()
        self.settings = RoutingSettings(outside_port=host.port, authorities=str(self.ca))
        self.courier = SmtpCourier(
            reactor, settings=CourierSettings(hostname="mx.example", connect=5, greeting=2), contexts=contexts
        )

    def certificate(self, *names: str, days: int = 90) -> bytes:
        """The host shows a new one for ``names``; its key as TLSA records have it."""
        certificate, key = issue(self.folder / "host", names, now=time.time() - 10 * 86_400, days=days)
        self.host.tls = served(certificate, key)
        (self.folder / "host.pem").write_bytes(certificate.read_bytes())
        return sha256(public_key_info(self.chain()[0])).digest()

    def chain(self) -> list[bytes]:
        found = load_pem_x509_certificates((self.folder / "host.pem").read_bytes())
        return [one.public_bytes(Encoding.DER) for one in found]

    def tlsa(self, *records: str) -> None:
        self.names.secure.add(FAR)
        self.names.put(f"_{self.host.port}._tcp.{HOST}", "TLSA", *records)

    def policy(self, mode: str, *hosts: str, number: int = 1) -> None:
        lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), "max_age: 604800", ""]
        self.web.policy = "\r\n".join(lines).encode()
        self.names.put(f"_mta-sts.{FAR}", "TXT", f'"v=STSv1; id={number};"')

    async def send(self) -> Carried:
        """One message, by the first host that is found, as nothing was remembered but policies."""
        policies = StsPolicies(engine=self.engine, names=self.client, site=self.site, clock=self.clock)
        hosts = SecureHosts(names=self.client, policies=policies, clock=self.clock)
        hop = (await start(hosts.hops(FAR, self.settings)))[0]
        envelope = Envelope(
            reverse_path=ReversePath(address=Address.parse("bob@sender.example")),
            forward_paths=(ForwardPath(address=Address.parse(f"ann@{FAR}")),),
        )
        body = Body(size=len(MESSAGE), chunks=lambda: iter([MESSAGE]))
        carrying = self.courier.carry(hop, envelope, body, message="m", before_dot=lambda dots: Pending.of(None))
        return await deferred(carrying)

    async def delivers(self, policy: str) -> None:
        before = len(self.host.messages)
        carried = await self.send()
        assert carried.outcomes[0].verdict is Verdict.DELIVERED, carried.fault
        assert carried.policy == policy and bool(carried.tls) == (policy != "none")
        assert len(self.host.messages) == before + 1

    async def waits(self, reason: str, policy: str) -> None:
        """Nothing of the message was said."""
        before, said = len(self.host.messages), len(self.host.commands)
        carried = await self.send()
        assert carried.outcomes[0].verdict is Verdict.DEFERRED and carried.policy == policy
        assert reason in carried.fault
        verbs = self.host.verbs()[said:]
        assert "MAIL" not in verbs and "RCPT" not in verbs and len(self.host.messages) == before


@asynccontextmanager
async def way(folder: Path, **answers: Any) -> AsyncIterator[Way]:
    (folder / "host").mkdir()
    issue(folder, [f"mta-sts.{FAR}"], now=time.time(), days=90)
    # One authority for the world's web servers and hosts.
    (folder / "host" / "authority").symlink_to(folder / "authority")
    store = CertificateStore(folder)
    store.reload(time.time())
    web = Web()
    contexts = ServerContexts(store, alpn=(b"http/1.1",))
    web_server = reactor.listenTCP(0, TLSMemoryBIOFactory(contexts, False, Site(web)), interface="127.0.0.1")
    host = ScriptedHost(**answers)
    try:
        with NameServer() as names, listening(host):
            made = Way(folder, names, host, web, web_server.getHost().port)
            try:
                yield made
            finally:
                made.site.close()
                made.client.close()
                made.courier.close()
    finally:
        web_server.stopListening()


@ensureDeferred
async def test_without_promises_tls_is_opportunistic_and_its_absence_is_told(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        await one.delivers("none")
        one.host.hang_up()
        one.certificate("elsewhere.example")
        await one.delivers("opportunistic")


# DANE.


@ensureDeferred
async def test_a_host_that_shows_the_named_key_gets_mail_under_dane(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        # RFC 7672 §3.1.1: neither the name nor the date counts.
        key = one.certificate("elsewhere.example", days=1)
        one.tlsa(f"3 1 1 {key.hex()}", "1 1 1 " + "00" * 32)
        await one.delivers("dane")


@ensureDeferred
async def test_a_host_that_shows_another_key_gets_nothing(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        one.tlsa("3 1 1 " + "ab" * 32)
        await one.waits("TLS: its certificate is not what its TLSA records name", "dane")


@ensureDeferred
async def test_a_trust_anchor_vouches_for_names_and_dates(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        anchor = sha256(load_pem_x509_certificates(one.ca.read_bytes())[0].public_bytes(Encoding.DER)).hexdigest()
        one.tlsa(f"2 0 1 {anchor}")
        await one.delivers("dane")
        one.host.hang_up()
        one.certificate(FAR)
        await one.delivers("dane")
        one.host.hang_up()
        one.certificate("elsewhere.example")
        await one.waits("certificate is for elsewhere.example, not for mail.far.example or far.example", "dane")


@pytest.mark.parametrize("how", ["stripped", "declined", "broken"])
@pytest.mark.parametrize("usable", [True, False])
@ensureDeferred
async def test_starttls_that_is_taken_away_never_makes_mail_go_in_clear(
    tmp_path: Path, how: str, usable: bool
) -> None:
    async with way(tmp_path, EHLO=STRIPPED if how == "stripped" else OFFERED) as one:
        one.tlsa("3 1 1 " + "ab" * 32 if usable else "0 1 1 " + "ab" * 32)
        one.host.answers["STARTTLS"] = b"454 4.7.0 not now" if how == "declined" else b"220 go ahead"
        reason = {"stripped": "does not offer STARTTLS", "declined": "454", "broken": "TLS"}[how]
        await one.waits(reason, "dane" if usable else "required")


@ensureDeferred
async def test_records_nobody_can_use_take_any_certificate_under_tls(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate("elsewhere.example")
        one.tlsa("0 1 1 " + "ab" * 32)
        await one.delivers("required")


@pytest.mark.parametrize("kind", ["MX", "A", "TLSA"])
@ensureDeferred
async def test_answers_that_were_found_bad_defer(tmp_path: Path, kind: str) -> None:
    async with way(tmp_path) as one:
        one.tlsa("3 1 1 " + "ab" * 32)
        name = {"MX": FAR, "TLSA": f"_{one.host.port}._tcp.{HOST}"}.get(kind, HOST)
        one.names.bad.add(f"{name} {kind}")
        with pytest.raises(Exception, match="SERVFAIL"):
            await one.send()
        assert one.host.connections == 0


@ensureDeferred
async def test_a_kept_connection_is_not_used_for_what_is_promised_later(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate("elsewhere.example")
        await one.delivers("opportunistic")
        one.tlsa("3 1 1 " + "ab" * 32)
        await one.waits("not what its TLSA records name", "dane")


# MTA-STS.


@ensureDeferred
async def test_an_enforced_policy_takes_a_good_certificate(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        one.policy("enforce", f"*.{FAR}")
        await one.delivers("sts")


CERTIFICATES = {
    "another name": (("elsewhere.example",), 90, "certificate is for elsewhere.example, not for mail.far.example"),
    "the domain only": ((FAR,), 90, "certificate is for far.example"),
    "expired": ((HOST,), 5, "certificate expired"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
@ensureDeferred
async def test_an_enforced_policy_and_a_certificate_that_is_not_good_wait(tmp_path: Path, name: str) -> None:
    names, days, reason = CERTIFICATES[name]
    async with way(tmp_path) as one:
        one.certificate(*names, days=days)
        one.policy("enforce", HOST)
        await one.waits(reason, "sts")
        one.policy("testing", HOST, number=2)
        await one.delivers("opportunistic")


@ensureDeferred
async def test_an_authority_that_the_world_does_not_know_waits(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        one.policy("enforce", HOST)
        one.settings = replace(one.settings, authorities="")
        await one.waits("nobody we trust", "sts")


@pytest.mark.parametrize("how", ["stripped", "declined", "broken"])
@ensureDeferred
async def test_under_an_enforced_policy_nothing_goes_in_clear(tmp_path: Path, how: str) -> None:
    async with way(tmp_path, EHLO=STRIPPED if how == "stripped" else OFFERED) as one:
        one.policy("enforce", HOST)
        one.host.answers["STARTTLS"] = b"454 4.7.0 not now" if how == "declined" else b"220 go ahead"
        reason = {"stripped": "does not offer STARTTLS", "declined": "454", "broken": "TLS"}[how]
        await one.waits(reason, "sts")
        one.policy("none", number=2)
        await one.delivers("none")


@ensureDeferred
async def test_a_host_that_a_forged_mx_names_gets_nothing(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate("mx.evil.example")
        one.policy("enforce", HOST)
        one.names.put(FAR, "MX", "10 mx.evil.example.").put("mx.evil.example", "A", "127.0.0.1")
        with pytest.raises(NoSecureHost, match=r"\(mx.evil.example\) is in its MTA-STS policy \(mail.far.example\)"):
            await one.send()
        assert one.host.connections == 0


@ensureDeferred
async def test_taking_record_and_web_server_away_does_not_end_a_policy(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        one.policy("enforce", HOST)
        await one.delivers("sts")
        one.host.hang_up()
        one.certificate("elsewhere.example")
        one.names.forget(f"_mta-sts.{FAR}", "TXT")
        await one.waits("not for mail.far.example", "sts")
        one.policy("enforce", HOST, number=2)
        one.web.policy = b"<html>"
        await one.waits("not for mail.far.example", "sts")


@ensureDeferred
async def test_a_host_that_fails_dane_is_not_taken_for_its_good_certificate(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        one.policy("enforce", HOST)
        one.tlsa("3 1 1 " + "ab" * 32)
        await one.waits("not what its TLSA records name", "dane")


@ensureDeferred
async def test_a_name_server_that_says_nothing_of_dnssec_makes_no_dane(tmp_path: Path) -> None:
    async with way(tmp_path) as one:
        one.certificate(HOST)
        one.tlsa("3 1 1 " + "ab" * 32)
        one.names.secure.clear()
        await one.delivers("opportunistic")
