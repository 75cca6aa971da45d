"""Readiness from the command line: DNS that answers or does not, a primary with TLS or without, who could log in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.names import dns

from tests.app.command.office import Office
from tests.app.command.test_status import host
from tests.delivery.world import World
from tests.journeys.authority import Authority
from tests.journeys.scripted_primary import Script, ScriptedPrimary
from xtramail.app.command import readiness
from xtramail.store import keys, logins

RELAY = "relay.example"
RAY = f"ray@{RELAY}"


@contextmanager
def name_server(*records: tuple[int, str], code: int = dns.OK) -> Iterator[str]:
    """A name server that says this of every name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.05)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    octets, peer = listening.recvfrom(2_048)
                except TimeoutError:
                    continue
                message: Any = dns.Message()
                message.fromStr(octets)
                message.answer, message.rCode = True, code
                name = message.queries[0].name.name
                message.answers = [
                    dns.RRHeader(name, dns.MX, dns.IN, 60, dns.Record_MX(preference, mail_host))
                    for preference, mail_host in records
                ]
                listening.sendto(message.toStr(), peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join(5)


def checks(office: Office, server: str, domain: str = RELAY) -> dict[str, dict[str, Any]]:
    told = office.json("readiness", domain, "--nameserver", server)
    return {one["check"]: one for one in told["checks"]}


@pytest.fixture
def near(office: Office) -> Office:
    """Its primary is on this machine, and away."""
    office.done("domain", "set", RELAY, "primary=127.0.0.1:1")
    return office


def test_the_mx_is_asked_for(near: Office) -> None:
    with name_server((10, "mail.example.org")) as server:
        assert checks(near, server)["mx"]["points"] == 20
    with name_server((5, "old.example.net"), (10, "mail.example.org")) as server:
        one = checks(near, server)["mx"]
        assert one["points"] == 0 and "old.example.net" in one["text"] and "domain guide" in one["next"]
    with name_server(code=dns.ENAME) as server:
        assert "does not exist" in checks(near, server)["mx"]["text"]


def test_without_dns_the_mx_is_unknown_and_the_command_goes_on(near: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "DNS_SECONDS", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        one = checks(near, f"127.0.0.1:{silent.getsockname()[1]}")["mx"]
    assert (one["points"], one["text"]) == ("unknown", "MX not known: no name server answered in 0.3 s")
    with name_server(code=dns.ESERVER) as server:
        assert checks(near, server)["mx"]["points"] == "unknown"


def test_a_primary_and_its_tls_are_looked_at(near: Office, tmp_path: Path) -> None:
    with name_server((10, "mail.example.org")) as server:
        found = checks(near, server)
        assert found["primary"]["points"] == 0 and found["primary-tls"]["points"] == "unknown"
        with ScriptedPrimary() as primary:
            near.done("domain", "set", RELAY, f"primary={primary.host}")
            found = checks(near, server)
            assert (found["primary"]["points"], found["primary-tls"]["points"]) == (15, 0)
            assert "no STARTTLS" in found["primary-tls"]["text"]
            primary.play(Script(certificate=Authority(tmp_path).serving("localhost")))
            assert checks(near, server)["primary-tls"]["points"] == 2, "whose certificate nobody vouches for"
            near.done(
                "domain", "set", RELAY, f"primary=localhost:{primary.port}", f"primary-ca={tmp_path / 'authority.pem'}"
            )
            assert checks(near, server)["primary-tls"]["points"] == 4
            assert not primary.messages
        with host(b"554 go away\r\n") as port:
            near.done("domain", "set", RELAY, f"primary=127.0.0.1:{port}")
            assert "says '554 go away'" in checks(near, server)["primary"]["text"]


def logged_in(world: World, account_id: int) -> None:
    seen = {account_id: {"imap": 1_767_225_600.0}}
    world.engine.transact(keys.LOGINS, lambda txn: logins.note(txn, seen)).result()


def test_people_are_listed_with_what_they_lack(near: Office) -> None:
    with name_server((10, "mail.example.org")) as server:
        words = ("readiness", RELAY, "--nameserver", server)
        (ray,) = near.json(*words)["users"]
        assert (ray["address"], ray["can-log-in"], ray["last-login"], ray["outside"]) == (RAY, False, None, "")
        near.done("user", "passwd", RAY, "--generate")
        near.done("user", "set", RAY, "outside-address=ray@home.example")
        near.world(lambda world: logged_in(world, world.ray.id))
        told = near.json(*words)
        (ray,) = told["users"]
        assert (ray["can-log-in"], ray["last-login"], ray["outside"]) == (True, "2026-01-01T00:00:00Z", "set")
        before = told["score"]
        near.done("domain", "set", RELAY, "alert-mail=ops@provider.example")
        assert near.json(*words)["score"] == before + 5
        text = near.done(*words)
        assert f"{RELAY}: {before + 5} of 100" in text and "What to do next" in text


def test_a_backup_is_remembered(near: Office, tmp_path: Path) -> None:
    with name_server((10, "mail.example.org")) as server:
        assert checks(near, server)["backup"]["points"] == "unknown"
        near.done("backup", str(tmp_path / "backup"))
        assert checks(near, server)["backup"]["points"] == 2


def test_a_domain_that_is_not_served_is_refused(near: Office) -> None:
    assert "is not served here" in near.refused("readiness", "gone.example")
