"""TLS towards a primary: what is verified and does not verify waits, with the reason told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary


def test_a_certificate_that_does_not_verify_defers_with_its_reason(
    install: Install, primary: ScriptedPrimary, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server = install()
    server.add_domain(
        DOMAIN, "--primary", f"localhost:{primary.port}", "--primary-tls", "verify", "--primary-ca",
        str(authority.file), "--recipients", "listed",
    )  # fmt: skip
    # Each case is tried by a message of its own, where three of them would make an outage.
    server.command("domain", "set", DOMAIN, "outage-faults=100")
    server.add_user(ANN)
    server.start()
    cases = {
        "wrong-name": (authority.serving("other.test"), "certificate is for other.test, not for localhost"),
        "expired": (authority.serving("localhost", days=-2), "expired"),
        "self-signed": (authority.serving("localhost", self_signed=True), "self-signed"),
        "none": (None, "does not offer STARTTLS"),
    }
    for name, (certificate, reason) in cases.items():
        primary.play(Script(certificate=certificate))
        began = server.log_end()
        # Those before it are tried again all the time.
        number = server.send(mail(name), ANN)
        deferred = server.told("recipient-deferred", since=began, id=number)
        assert reason in deferred[-1]["reply"], deferred
        assert any(reason in one["last-answer"] for one in server.queue())
    assert primary.messages == []
    primary.play(Script(certificate=authority.serving("localhost")))
    server.told("recipient-delivered", since=0, count=4)
    assert len(primary.messages) == 4
    assert all(message.tls for message in primary.messages)


@pytest.mark.parametrize("offers", [True, False], ids=["offered", "not offered"])
def test_opportunistic_tls_takes_what_it_gets(
    install: Install, primary: ScriptedPrimary, tmp_path: Path, offers: bool
) -> None:
    certificate = Authority(tmp_path).serving("other.test", self_signed=True) if offers else None
    primary.play(Script(certificate=certificate))
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    server.add_user(ANN)
    server.start()
    server.send(mail(1), ANN)
    server.told("recipient-delivered", since=0)
    assert [message.tls for message in primary.messages] == [offers]
