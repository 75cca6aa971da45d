"""A primary that has us as its smarthost: by its address, by an account, by a certificate; and what nobody may do."""

from __future__ import annotations

import contextlib
import hashlib
import imaplib
import smtplib
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, after_return_path, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from xtramail.app.authority import issue

CARLA = "carla@elsewhere.example"
OTHER = "other.test"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, ScriptedPrimary]]:
    """Mail to the world goes to the scripted host, too."""
    with ScriptedPrimary() as world:
        folder = tmp_path_factory.mktemp("relaying") / "server"
        server = Installation(folder, settings=[f'relay.smarthost="{world.host}"']).init()
        for name in (DOMAIN, OTHER):
            server.add_domain(name, "--primary", world.host, "--recipients", "listed")
        for user in (ANN, BEN, f"olga@{OTHER}"):
            server.add_user(user)
        server.start()
        yield server, world
        server.close()


@contextlib.contextmanager
def settings(server: Installation, *changes: str, domain: str = DOMAIN) -> Iterator[None]:
    server.command("domain", "set", domain, *changes)
    try:
        yield
    finally:
        server.command("domain", "set", domain, *(f"{change.partition('=')[0]}=" for change in changes))


def sent(server: Installation, subject: str, user: str = ANN) -> list[bytes]:
    with server.imap(user) as client:
        return [one for one in fetched(client, "Sent") if f"Subject: message {subject}\r\n".encode() in one]


def taken(world: ScriptedPrimary, name: str) -> list[bytes]:
    return [one.octets for one in world.messages if f"<{name}@".encode() in one.octets]


def test_by_its_address_on_port_25(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, world = lasting
    message = mail("by-address", to=CARLA, sender=ANN)

    def goes() -> bool:
        with contextlib.suppress(smtplib.SMTPRecipientsRefused):
            server.send(message, CARLA, sender=ANN)
            return True
        return False

    assert not goes()
    with settings(server, "relay-from=127.0.0.1"):
        assert eventually(goes, what="the server has seen the setting")
        (out,) = eventually(lambda: taken(world, "by-address"))
        (copy,) = sent(server, "by-address")
        assert out == after_return_path(copy) and after_trace(copy) == message
        with server.smtp() as client:
            client.ehlo()
            client.mail(BEN)
            client.rcpt(CARLA)
            assert client.data(mail("forged", to=CARLA, sender="zoe@far.example"))[0] == 550
            client.mail(f"olga@{OTHER}")
            assert client.rcpt(CARLA)[0] == 550, "another tenant's sender"
    assert eventually(lambda: not goes(), what="the setting is gone")


def test_by_its_address_on_587_without_a_login(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, world = lasting
    message = mail("no-login", to=CARLA, sender=ANN)
    with settings(server, "relay-from=127.0.0.1/32"):

        def goes() -> bool:
            with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=60) as client:
                client.ehlo()
                if client.mail(ANN)[0] == 530:
                    return False
                assert client.rcpt(CARLA)[0] == 250 and client.data(message)[0] == 250
                assert client.mail(f"olga@{OTHER}")[0] == 530
                return True

        eventually(goes)
        eventually(lambda: taken(world, "no-login"))


def test_by_a_relay_account_with_swaks(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, world = lasting
    password = server.command("domain", "relay-account", DOMAIN, "create")["generated"]

    def swaks(secret: str, sender: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "swaks", "--server", "127.0.0.1", "--port", str(server.ports["submission"]), "--tls",
                "--auth", "LOGIN", "--auth-user", DOMAIN, "--auth-password", secret, "--from", sender, "--to", CARLA,
                "--header", f"From: {sender}", "--header", "Subject: message by-account",
                "--header", "Message-Id: <by-account@example.test>",
            ],
            capture_output=True,
            text=True,
            timeout=240,
        )  # fmt: skip

    good = swaks(password, ANN)
    assert "queued as" in good.stdout, good.stdout + good.stderr
    eventually(lambda: taken(world, "by-account"))
    assert len(sent(server, "by-account")) == 1
    assert "553 5.7.1" in swaks(password, f"olga@{OTHER}").stdout
    assert "535 5.7.8" in swaks("wrong", ANN).stdout
    with imaplib.IMAP4_SSL("localhost", server.ports["imaps"], ssl_context=server.tls(), timeout=60) as client:
        with pytest.raises(imaplib.IMAP4.error):
            client.login(DOMAIN, password)
    server.command("domain", "relay-account", DOMAIN, "remove")
    assert eventually(lambda: "535 5.7.8" in swaks(password, ANN).stdout)


@pytest.mark.parametrize("by", ["fingerprint", "name"])
def test_by_a_certificate(
    lasting: tuple[Installation, ScriptedPrimary], tmp_path: Path, by: str
) -> None:
    server, world = lasting
    certificate, key = issue(tmp_path, ["mail.corp.example"], now=time.time())
    shown = ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----END CERTIFICATE-----")[0] + (
        "-----END CERTIFICATE-----\n"
    ))
    if by == "name":
        changes = ["relay-certificate=mail.corp.example", f"relay-certificate-ca={tmp_path}/authority/ca.crt"]
    else:
        changes = [f"relay-certificate={hashlib.sha256(shown).hexdigest()}"]
    stranger = issue(tmp_path / "stranger", ["mail.corp.example"], now=time.time())

    def answer(pair: tuple[Path, Path] | None) -> int:
        context = server.tls()
        if pair is not None:
            context.load_cert_chain(*pair)
        with server.smtp() as client:
            client._host = "localhost"  # type: ignore[attr-defined]  # whom the certificate must name
            client.starttls(context=context)
            client.ehlo()
            client.mail(ANN)
            code = client.rcpt(CARLA)[0]
            if code == 250:
                assert client.data(mail(f"by-{by}", to=CARLA, sender=ANN))[0] == 250
            return code

    assert answer((certificate, key)) == 550
    with settings(server, *changes):
        eventually(lambda: answer((certificate, key)) == 250)
        assert answer(None) == 550 and answer(stranger) == 550
    eventually(lambda: taken(world, f"by-{by}"))

