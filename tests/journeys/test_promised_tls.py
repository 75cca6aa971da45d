"""Mail to the world with a resolver that checks DNSSEC, and without: what the administrator is told."""

from __future__ import annotations

from typing import Any

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, mail
from tests.net.name_server import NameServer

FAR, NEAR, BAD = "bob@far.example", "bob@near.example", "bob@bad.example"
NOBODY = "127.0.0.77"
"""Of this machine, and nobody listens on its port 25."""


def tries(server: Installation, recipient: str) -> list[dict[str, Any]]:
    events = server.command("trace", recipient)["events"]
    return [event for event in events if event["event"] == "attempt" and recipient in event["to"]]


def test_what_domains_promise_is_asked_held_to_and_told(install: Install) -> None:
    with NameServer() as names:
        names.put("far.example", "MX", "10 mail.far.example.").put("mail.far.example", "A", NOBODY)
        names.put("_25._tcp.mail.far.example", "TLSA", "3 1 1 " + "ab" * 32)
        names.put("near.example", "MX", "10 mail.near.example.").put("mail.near.example", "A", NOBODY)
        names.secure.add("far.example")
        names.bad.add("bad.example MX")
        server = install(settings=(f'dns.validating="127.0.0.1:{names.port}"',))
        server.add_domain(DOMAIN)
        server.add_user(ANN)
        server.start()
        (said,) = server.told("sending-protected", since=0)
        assert said["resolver"] == f"127.0.0.1:{names.port}" and "DANE and MTA-STS" in said["text"]
        with server.submission(ANN) as client:
            assert client.sendmail(ANN, [FAR, NEAR, BAD], mail("promised", to=FAR, sender=ANN)) == {}
        for recipient, policy in ((FAR, "dane"), (NEAR, "opportunistic")):
            first = eventually(lambda who=recipient: tries(server, who))[0]
            assert first["tls-policy"] == policy and first["host"].startswith("mail."), first
            assert server.told("recipient-deferred", since=0, recipient=recipient)[0]["tls"] == policy
        assert "SERVFAIL" in eventually(lambda: tries(server, BAD))[0]["text"]


def test_without_a_resolver_that_is_said_at_the_start(install: Install) -> None:
    server = install()
    server.add_domain(DOMAIN)
    server.start()
    (said,) = server.told("sending-protected", since=0)
    assert said["resolver"] == "" and "opportunistic TLS: no resolver that checks DNSSEC" in said["text"]
