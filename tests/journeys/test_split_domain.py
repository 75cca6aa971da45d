"""A domain of several hosts (A9): who lives here, at the primary and at a host of his own write to each other and are
written to. Nothing goes round, and nobody gets two."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.scripted_primary import Received, Script, ScriptedPrimary

EVE, CARL, LOST = f"eve@{DOMAIN}", f"carl@{DOMAIN}", f"lost@{DOMAIN}"
INSIDE = "127.0.0.2"
"""From where the primary comes to us."""


@pytest.fixture
def other() -> Iterator[ScriptedPrimary]:
    """Eve's host."""
    with ScriptedPrimary(Script(known=frozenset({EVE}))) as one:
        yield one


@pytest.fixture
def split(install: Install, primary: ScriptedPrimary, other: ScriptedPrimary) -> Installation:
    """Ann lives here, Eve at ``other``, Ben and Carl at ``primary``; of Carl nobody told us."""
    primary.play(Script(known=frozenset({BEN, CARL, f"postmaster@{DOMAIN}"})))
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host)
    server.command("domain", "set", DOMAIN, f"relay-from={INSIDE}")
    for user in (ANN, BEN):
        server.add_user(user)
    server.command("route", "add", DOMAIN, "here", "--user", ANN)
    server.command("route", "add", DOMAIN, other.host, "--user", EVE)
    return server.start()


def inbox(server: Installation, user: str, name: str = "INBOX") -> list[bytes]:
    with server.imap(user) as client:
        return fetched(client, name)


def subjects(messages: list[bytes]) -> list[str]:
    found = (line for octets in messages for line in octets.decode().splitlines() if line.startswith("Subject: "))
    return sorted(line.removeprefix("Subject: message ") for line in found)


def took(host: ScriptedPrimary) -> list[tuple[str, tuple[str, ...]]]:
    """Subject and recipients of all that a host was handed."""
    return sorted((subjects([one.octets])[0], one.recipients) for one in host.messages)


def from_inside(server: Installation, message: bytes, to: str, sender: str) -> tuple[int, bytes]:
    """The primary hands a message to us: the answer to RCPT when that is a refusal, else to the dot."""
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60, source_address=(INSIDE, 0)) as client:
        client.ehlo("primary.test")
        client.mail(sender)
        code, text = client.rcpt(to)
        return (code, text) if code != 250 else client.data(message)


def test_each_gets_what_is_his_once_wherever_he_lives(
    split: Installation, primary: ScriptedPrimary, other: ScriptedPrimary
) -> None:
    split.send(mail("world"), [ANN, BEN, EVE, CARL])
    with split.submission(ANN) as client:
        client.sendmail(ANN, [BEN, EVE, ANN], mail("ann", sender=ANN, to=BEN))
    with split.submissions(BEN) as client:
        client.sendmail(BEN, [ANN, CARL], mail("ben", sender=BEN, to=ANN))
    assert from_inside(split, mail("carl", sender=CARL), ANN, CARL)[0] == 250
    assert from_inside(split, mail("carl-to-eve", sender=CARL, to=EVE), EVE, CARL)[0] == 250
    split.waits_for_nothing()

    assert subjects(inbox(split, ANN)) == ["ann", "ben", "carl", "world"]
    assert subjects(inbox(split, ANN, "Sent")) == ["ann"]
    assert took(other) == [("ann", (EVE,)), ("carl-to-eve", (EVE,)), ("world", (EVE,))]
    # Ben's own mail is given back to him, for that is where he lives; Ann's is not, for it is here.
    assert [(name, sorted(to)) for name, to in took(primary)] == [
        ("ann", [BEN]),
        ("ben", [BEN]),
        ("ben", [CARL]),
        ("world", [BEN, CARL]),
    ]
    # The primary's people have their copies here, too, each once.
    assert subjects(inbox(split, BEN)) == ["ann", "world"]
    split.balance()


def test_who_is_at_neither_place_is_refused_at_the_door(split: Installation, primary: ScriptedPrimary) -> None:
    with split.smtp() as client:
        client.ehlo()
        client.mail("bob@sender.example")
        assert client.rcpt(LOST)[0] == 550
        assert client.rcpt(CARL)[0] == 250
    assert from_inside(split, mail(1), LOST, BEN)[0] == 550
    assert primary.messages == []


def test_nothing_circles_when_the_primary_looks_here_for_whom_it_does_not_know(
    split: Installation, primary: ScriptedPrimary
) -> None:
    """It takes every recipient of the domain, and hands on to us whom it does not have itself."""
    primary.play(Script())
    split.send(mail("lost", to=LOST), LOST)
    (came,) = eventually(lambda: primary.messages)
    code, text = from_inside(split, came.octets, LOST, came.sender)
    assert (code, text[:5]) == (554, b"5.4.6")
    # Whom it hands on to us and who is here, gets it.
    split.send(mail("astray", to=BEN), BEN)
    (astray,) = eventually(lambda: [one for one in primary.messages if b"<astray@" in one.octets])
    assert from_inside(split, astray.octets, ANN, astray.sender)[0] == 250
    assert subjects(inbox(split, ANN)) == ["astray"]
    split.waits_for_nothing()
    assert [name for name, _ in took(primary)] == ["astray", "lost"]


def test_a_host_that_is_away_keeps_back_its_own_mail_alone(
    split: Installation, primary: ScriptedPrimary, other: ScriptedPrimary
) -> None:
    other.refuse()
    split.send(mail("one"), [ANN, BEN, EVE])
    split.told("recipient-delivered", since=0, recipient=BEN)
    assert took(primary) == [("one", (BEN,))]
    assert subjects(inbox(split, ANN)) == ["one"]
    (waits,) = split.queue()
    assert waits["destination"] == EVE and waits["destination-state"] == "up"
    # She moves to the primary meanwhile, and her mail follows her.
    primary.play(Script())
    split.command("route", "remove", DOMAIN, "--user", EVE)
    split.waits_for_nothing()
    assert took(primary) == [("one", (BEN,)), ("one", (EVE,))]


def test_hosts_of_a_domain_share_and_stand_in_for_each_other(
    install: Install, primary: ScriptedPrimary, other: ScriptedPrimary
) -> None:
    other.play(Script())
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    server.add_user(ANN)
    server.command("route", "add", DOMAIN, other.host, "--priority", "10")
    server.start()
    # Each draws its lot: that all of so many draw the same one does not happen.
    for number in range(32):
        server.send(mail(number), ANN)
    server.waits_for_nothing()
    assert primary.messages and other.messages
    other.refuse()
    for number in range(32, 40):
        server.send(mail(number), ANN)
    server.waits_for_nothing()
    taken: list[Received] = [*primary.messages, *other.messages]
    assert subjects([one.octets for one in taken]) == sorted(map(str, range(40)))
    assert server.command("outage", "status", DOMAIN)[0]["state"] == "up"
