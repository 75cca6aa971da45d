"""What a domain sends leaves by its smarthost while that answers, and by itself while it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary

FAR = "bob@far.example"


@pytest.fixture
def world() -> Iterator[ScriptedPrimary]:
    """Where mail goes that leaves by itself."""
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def smarthost(tmp_path: Path) -> Iterator[ScriptedPrimary]:
    with ScriptedPrimary(Script(certificate=Authority(tmp_path).serving("localhost"))) as one:
        yield one


def names(host: ScriptedPrimary) -> list[str]:
    return sorted(
        line.removeprefix("Subject: message ")
        for one in host.messages
        for line in one.octets.decode().splitlines()
        if line.startswith("Subject: ") and FAR in one.recipients
    )


def sends(server: Installation, name: str) -> None:
    with server.submission(ANN) as client:
        client.sendmail(ANN, [FAR], mail(name, sender=ANN, to=FAR))


def test_smarthost_while_it_is_up_and_directly_while_it_is_down(
    install: Install, primary: ScriptedPrimary, world: ScriptedPrimary, smarthost: ScriptedPrimary, tmp_path: Path
) -> None:
    server = install(settings=(f'relay.smarthost="{world.host}"',))
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    server.add_user(ANN)
    authority = next(tmp_path.glob("authority.pem"))
    server.command("domain", "set", DOMAIN, f"primary-ca={authority}", "sent-back=never")
    server.command("route", "add", DOMAIN, f"localhost:{smarthost.port}", "--out", "--for", "up")
    server.start()

    sends(server, "by-smarthost")
    eventually(lambda: names(smarthost) == ["by-smarthost"])
    assert smarthost.messages[0].tls and names(world) == []

    smarthost.refuse()
    sends(server, "directly")
    eventually(lambda: names(world) == ["directly"])

    smarthost.accept()
    server.command("domain", "hold", DOMAIN)
    sends(server, "primary-away")
    eventually(lambda: names(world) == ["directly", "primary-away"])
    server.command("domain", "release", DOMAIN)
    eventually(lambda: server.command("domain", "show", DOMAIN)["state"] == "up")
    sends(server, "back")
    eventually(lambda: names(smarthost) == ["back", "by-smarthost"])
    server.waits_for_nothing()
    server.balance()
