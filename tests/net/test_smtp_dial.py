"""Opening connections to hosts: TLS as the route asks for it, and the reason where it does not come to that."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from tests.net.scripted_host import DROP, HANG, HELLO, ScriptedHost, served
from tests.net.test_smtp_client import QUICK, talking, told
from xtramail.app.authority import issue
from xtramail.delivery.courier import Hop
from xtramail.model.secret import Secret
from xtramail.net.adapter import start
from xtramail.net.smtp_client import CourierSettings
from xtramail.net.smtp_dial import Dialer
from xtramail.net.tls_client import ClientContexts

NOW = time.time()
DAY = 86_400.0
SETTINGS = CourierSettings(hostname="mx.example", greeting=5, connect=5)


def certified(folder: Path, *names: str, since: float = NOW, days: int = 90) -> tuple[CertificateOptions, str]:
    """A TLS context for those names, and the file of its authority."""
    certificate, key = issue(folder, list(names), now=since, days=days)
    return served(certificate, key), str(folder / "authority" / "ca.crt")


@pytest.mark.parametrize("mode", ["opportunistic", "required", "verify"])
@ensureDeferred
async def test_mail_goes_over_tls_with_a_good_certificate(tmp_path: Path, mode: str) -> None:
    host = ScriptedHost()
    host.tls, ca = certified(tmp_path, "127.0.0.1")
    async with talking(host, SETTINGS) as client:
        for _ in range(2):
            carried = await client.send(tls=mode, ca=ca)
            assert told(carried)[0][0] == "delivered" and carried.tls.startswith("TLSv1.3 ")
        assert host.verbs()[:3] == ["EHLO", "STARTTLS", "EHLO"] and host.connections == 1


@ensureDeferred
async def test_no_tls_is_spoken_where_none_is_wanted(tmp_path: Path) -> None:
    host = ScriptedHost()
    host.tls, _ = certified(tmp_path, "127.0.0.1")
    async with talking(host, SETTINGS) as client:
        carried = await client.send(tls="none")
        assert told(carried)[0][0] == "delivered" and carried.tls == "" and "STARTTLS" not in host.verbs()


@ensureDeferred
async def test_a_host_is_dialled_at_the_addresses_that_were_found(tmp_path: Path) -> None:
    host = ScriptedHost()
    host.tls, ca = certified(tmp_path, "mail.far.example")
    async with talking(host, SETTINGS) as client:
        hop = {"host": "mail.far.example", "tls": "verify", "ca": ca}
        carried = await client.send(**hop, addresses=("::1", "127.0.0.77", "127.0.0.1"))
        assert told(carried)[0][0] == "delivered" and carried.host.startswith("mail.far.example:")
        assert (carried.policy, host.connections) == ("verify", 1)
        carried = await client.send(**hop, addresses=("127.0.0.77", "::1"))
        assert told(carried) == [("deferred", "connect", 0)] and "refused" in carried.fault


FAULTS = {
    "wrong name": (("other.example",), NOW, 90, "certificate is for other.example, not for 127.0.0.1"),
    "expired": (("127.0.0.1",), NOW - 100 * DAY, 10, "certificate expired on"),
}


@pytest.mark.parametrize("fault", FAULTS)
@ensureDeferred
async def test_verify_defers_with_the_reason_and_the_other_modes_take_it(tmp_path: Path, fault: str) -> None:
    names, since, days, reason = FAULTS[fault]
    host = ScriptedHost()
    host.tls, ca = certified(tmp_path, *names, since=since, days=days)
    async with talking(host, SETTINGS) as client:
        carried = await client.send(tls="verify", ca=ca)
        assert told(carried) == [("deferred", "connect", 0)]
        assert carried.fault.startswith(f"TLS: {reason}") and "MAIL" not in host.verbs()
        for mode in ("required", "opportunistic"):
            carried = await client.send(tls=mode)
            assert told(carried)[0][0] == "delivered" and carried.tls


@ensureDeferred
async def test_a_self_signed_certificate_is_told_as_such(tmp_path: Path) -> None:
    host = ScriptedHost()
    certificate, key = issue(tmp_path, ["127.0.0.1"], now=NOW)
    alone = tmp_path / "alone.pem"
    alone.write_text(certificate.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    host.tls = served(tmp_path / "authority" / "ca.crt", tmp_path / "authority" / "ca.key")
    async with talking(host, SETTINGS) as client:
        carried = await client.send(tls="verify")
        assert told(carried)[0][0] == "deferred" and "self-signed" in carried.fault
        host.tls = served(alone, key)
        assert told(await client.send(tls="verify", ca=str(alone)))[0][0] == "delivered"


@pytest.mark.parametrize("mode", ["required", "verify"])
@ensureDeferred
async def test_where_tls_must_be_its_absence_defers(mode: str) -> None:
    async with talking(ScriptedHost(), SETTINGS) as client:
        carried = await client.send(tls=mode)
        assert carried.fault == "TLS: the host does not offer STARTTLS" and client.host.messages == []
        client.host.answers["EHLO"] = HELLO.replace(b"250-PIPELINING", b"250-STARTTLS")
        client.host.answers["STARTTLS"] = b"454 4.7.0 not now"
        carried = await client.send(tls=mode)
        assert told(carried) == [("deferred", "starttls", 454)] and client.host.messages == []


@ensureDeferred
async def test_a_file_of_authorities_that_is_missing_defers_with_its_name(tmp_path: Path) -> None:
    host = ScriptedHost()
    host.tls, _ = certified(tmp_path, "127.0.0.1")
    async with talking(host, SETTINGS) as client:
        carried = await client.send(tls="verify", ca=str(tmp_path / "gone.pem"))
        assert told(carried)[0][0] == "deferred" and "gone.pem" in carried.fault


BROKEN = {
    "declined": b"454 4.7.0 not now",
    "dropped": DROP,
    "no handshake": b"220 go ahead",
}


@pytest.mark.parametrize("how", BROKEN)
@ensureDeferred
async def test_opportunistic_tls_that_does_not_work_falls_back_to_none(how: str) -> None:
    host = ScriptedHost(STARTTLS=BROKEN[how], EHLO=HELLO.replace(b"250-PIPELINING", b"250-STARTTLS"))
    async with talking(host, QUICK) as client:
        carried = await client.send()
        assert carried.tls == ""
        assert told(carried)[0][0] == "delivered"


@ensureDeferred
async def test_replies_sent_behind_the_go_ahead_for_tls_are_not_obeyed(tmp_path: Path) -> None:
    host = ScriptedHost()
    host.tls, _ = certified(tmp_path, "127.0.0.1")
    host.after["STARTTLS"] = b"250 injected\r\n"
    async with talking(host, SETTINGS) as client:
        carried = await client.send(tls="required")
        assert told(carried)[0][0] == "deferred" and "behind its go-ahead" in carried.fault


@ensureDeferred
async def test_a_login_is_never_said_in_clear_and_a_refused_one_defers(tmp_path: Path) -> None:
    host = ScriptedHost(EHLO=HELLO.replace(b"250-8BITMIME", b"250-AUTH PLAIN"))
    login = {"user": "us", "password": Secret("hunter2")}
    async with talking(host, SETTINGS) as client:
        carried = await client.send(**login)
        assert told(carried)[0][0] == "deferred" and "without TLS" in carried.fault
        assert "AUTH" not in host.verbs()
        host.tls, ca = certified(tmp_path, "127.0.0.1")
        offer = HELLO.replace(b"250-8BITMIME", b"250-STARTTLS\r\n250-AUTH PLAIN")
        host.answers["EHLO"] = offer
        assert told(await client.send(tls="verify", ca=ca, **login))[0][0] == "delivered"
        assert b"hunter2" not in b"".join(host.commands)
        host.hang_up()
        host.answers["AUTH"] = b"535 5.7.8 no"
        assert told(await client.send(tls="verify", ca=ca, **login)) == [("deferred", "auth", 535)]
        del host.answers["AUTH"]
        host.answers["EHLO"] = offer.replace(b"PLAIN", b"GSSAPI")
        assert told(await client.send(tls="verify", ca=ca, **login)) == [("deferred", "auth", 504)]


@ensureDeferred
async def test_a_handshake_that_hangs_is_given_up(tmp_path: Path) -> None:
    host = ScriptedHost(EHLO=HELLO.replace(b"250-PIPELINING", b"250-STARTTLS"))
    async with talking(host, QUICK) as client:
        carried = await client.send(tls="required")
        assert told(carried)[0][0] == "deferred" and f"TLS handshake not done in {QUICK.greeting} s" in carried.fault
        host.answers["STARTTLS"] = HANG
        carried = await client.send(tls="required")
        assert carried.fault == f"TLS: no answer in {QUICK.command} s"


@implementer(IReactorPluggableNameResolver)
class Unanswered(MemoryReactorClock):
    """Its names are looked up for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self

    def installNameResolver(self, resolver: object) -> None: ...

    def resolveHostName(self, receiver: Any, *_name: object, **_more: object) -> Unanswered:
        receiver.resolutionBegan(self)
        return self

    def cancel(self) -> None: ...


def test_a_name_that_nobody_answers_for_is_given_up_in_time() -> None:
    reactor = Unanswered()
    dialer = Dialer(reactor, settings=SETTINGS, contexts=ClientContexts())
    faults: list[str] = []
    waited = start(dialer.connect(Hop(host="far.example", port=25)))
    waited.addErrback(lambda failure: faults.append(failure.value.text))
    reactor.advance(SETTINGS.connect - 0.1)
    assert faults == []
    reactor.advance(0.2)
    assert len(faults) == 1 and faults[0].startswith("connect: ")
    assert reactor.getDelayedCalls() == []
