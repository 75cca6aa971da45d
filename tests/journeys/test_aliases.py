"""An office with aliases: two mailboxes and a host of the world behind one address, another name of its domain, a
catch-all, and a second domain whose primary gets what was written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.conftest import Install
from tests.journeys.harness import Installation, Refused, eventually, fetched, mail
from tests.journeys.scripted_primary import Received, ScriptedPrimary

HERE, OTHER, RELAYED = "office.test", "bureau.test", "example.test"
ANN, BEN, CAT = f"ann@{HERE}", f"ben@{HERE}", f"cat@{RELAYED}"
SALES, FAR, BOB = f"sales@{HERE}", "far@away.example", "bob@sender.example"


@pytest.fixture
def world() -> Iterator[ScriptedPrimary]:
    """All hosts of the world."""
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def server(install: Install, primary: ScriptedPrimary, world: ScriptedPrimary) -> Installation:
    made = install(settings=(f'relay.smarthost="{world.host}"',))
    made.add_domain(HERE)
    made.add_domain(RELAYED, "--primary", primary.host, "--recipients", "listed")
    for user in (ANN, BEN, CAT):
        made.add_user(user)
    return made.start()


def inbox(server: Installation, user: str) -> list[bytes]:
    with server.imap(user) as client:
        return fetched(client)


def counts(server: Installation) -> list[int]:
    return [len(inbox(server, user)) for user in (ANN, BEN, CAT)]


def went(host: ScriptedPrimary, number: int) -> Received:
    """The ``number``-th message that a host was handed."""
    eventually(lambda: host.taken >= number, what=f"message {number}")
    assert host.taken == number
    return host.messages[-1]


def answer(server: Installation, to: str, sender: str = "") -> int:
    with server.smtp() as client:
        client.ehlo("client.example")
        client.mail(sender)
        return client.rcpt(to)[0]


def test_two_mailboxes_and_a_host_behind_one_address_and_its_report_finds_the_sender(
    server: Installation, world: ScriptedPrimary
) -> None:
    done = server.command("alias", "add", SALES, ANN, BEN, FAR)
    assert done["targets"] == [ANN, BEN, FAR] and done["warnings"] == []
    server.send(mail(1, to=SALES), [SALES, ANN, f"SALES+x@{HERE}"])
    assert counts(server) == [1, 1, 0]
    forwarded = went(world, 1)
    assert forwarded.recipients == (FAR,) and forwarded.octets.endswith(mail(1, to=SALES))
    assert forwarded.octets.startswith(f"Delivered-To: {SALES}\r\nReceived: ".encode())
    assert forwarded.sender.endswith(f"=sender.example=bob@{HERE}") and forwarded.sender.startswith("SRS0=")

    server.send(mail("report", to=forwarded.sender), forwarded.sender.lower(), sender="")
    report = went(world, 2)
    assert (report.sender, report.recipients) == ("", (BOB,))
    assert counts(server) == [1, 1, 0]
    assert answer(server, forwarded.sender.replace("bob@", "eve@")) == 550
    assert answer(server, forwarded.sender, BOB) == 550

    with server.smtp() as client:
        client.ehlo("client.example")
        assert client.docmd("MAIL FROM:<far@away.example>")[0] == 250
        assert client.rcpt(SALES)[0] == 250
        assert client.data(forwarded.octets)[0] == 554, "it has been here, for this address"

    events = server.command("trace", "<1@sender.example>")["events"]
    assert events[0]["to"] == [SALES, ANN, f"SALES+x@{HERE}", FAR]
    assert server.command("verify")["findings"] == []


def test_a_user_sends_as_his_alias_and_forwards_his_own_mail(server: Installation, world: ScriptedPrimary) -> None:
    server.command("alias", "add", SALES, ANN)
    server.command("alias", "add", BEN, BEN, FAR)
    with server.submission(ANN) as client:
        client.sendmail(SALES, [BEN], mail(2, sender=SALES, to=BEN))
    forwarded = went(world, 1)
    assert (forwarded.sender, forwarded.recipients) == (SALES, (FAR,)), "who is served here keeps his name"
    assert counts(server) == [0, 1, 0]
    with pytest.raises(Refused, match="leads there"):
        server.command("user", "remove", ANN)


def test_another_name_of_a_domain_and_a_catch_all(server: Installation) -> None:
    server.command("domain-alias", "add", OTHER, HERE)
    server.send(mail(3), f"Ann@{OTHER}")
    assert counts(server) == [1, 0, 0]
    server.users[f"ann@{OTHER}"] = server.users[ANN]
    assert len(inbox(server, f"ann@{OTHER}")) == 1, "they log in under both names"
    assert answer(server, f"made-up@{OTHER}") == 550
    done = server.command("alias", "add", f"@{HERE}", BEN)
    assert "spam" in done["warnings"][0]
    for number, address in enumerate((f"made-up@{OTHER}", f"else@{HERE}"), 1):
        server.send(mail(f"3-{number}"), address)
        assert counts(server) == [1, number, 0]
    found = server.command("alias", "list", HERE)
    assert [one["address"] for one in found] == [f"@{HERE}"]
    server.command("domain-alias", "remove", OTHER)
    assert answer(server, f"ann@{OTHER}", BOB) == 550


def test_a_primary_gets_exactly_what_the_sender_wrote(
    server: Installation, primary: ScriptedPrimary, world: ScriptedPrimary
) -> None:
    server.command("domain-alias", "add", OTHER, RELAYED)
    done = server.command("alias", "add", f"team@{RELAYED}", CAT, ANN, FAR)
    assert "forwarded by nobody here" in done["warnings"][0]
    written = (f"Team@{RELAYED}", f"cat+shop@{RELAYED}", f"CAT@{OTHER}")
    server.send(mail(4), list(written))
    got = went(primary, 1)
    assert (got.sender, got.recipients) == (BOB, written)
    assert counts(server) == [1, 0, 1] and world.taken == 0
    assert server.command("verify")["findings"] == []
