"""A customer's domain is served from when its DNS says whose it is, and not before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import Refused, eventually, fetched, mail
from tests.net.name_server import NameServer


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as one:
        yield one


def test_a_domain_is_served_once_dns_proves_whose_it_is(install: Install, names: NameServer) -> None:
    server = install()
    server.command("tenant", "add", "office")
    added = server.command("domain", "add", DOMAIN, "--tenant", "office", "--unverified")
    assert added["verified"] is False
    server.add_user(ANN)
    server.start()
    verify = ("domain", "verify", DOMAIN, "--nameserver", f"127.0.0.1:{names.port}")

    with server.smtp() as client:
        client.ehlo()
        client.mail("bob@sender.example")
        assert client.rcpt(ANN)[0] == 450
        with pytest.raises(Refused, match="there is no such record") as refused:
            server.command(*verify)
        shown = server.command("domain", "verify", DOMAIN, "--show")
        assert shown["value"] in refused.value.text and shown["name"] == f"_xtramail.{DOMAIN}"
        names.put(shown["name"], "TXT", '"xtramail-verify=0123"')
        with pytest.raises(Refused, match="is another one"):
            server.command(*verify)
        names.bad.add(shown["name"])
        with pytest.raises(Refused, match="ask again later"):
            server.command(*verify)
        assert client.rcpt(ANN)[0] == 450

        names.bad.clear()
        names.put(shown["name"], "TXT", '"v=spf1 -all"', f'"{shown["value"]}"')
        assert server.command(*verify)["verified"] is True
        eventually(lambda: client.rcpt(ANN)[0] == 250)
    server.send(mail(1), ANN)
    with server.imap(ANN) as reader:
        assert len(fetched(reader)) == 1
    (row,) = [one for one in server.command("audit", "list") if one["what"] == "domain verify"]
    assert row["object"] == DOMAIN
