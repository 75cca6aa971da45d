"""Planned maintenance: mail is held and goes by itself; what waits for a fortnight ends with a word to its sender."""

from __future__ import annotations

import datetime
import email
import email.policy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.journeys.test_expiry import moved_by

BOB = "bob@sender.example"
"""He can be answered: another customer's domain."""
STRANGER = "stranger@nowhere.invalid"


@pytest.fixture
def world() -> Iterator[ScriptedPrimary]:
    """The mail server of somebody else."""
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def company(install: Install, primary: ScriptedPrimary, world: ScriptedPrimary) -> Installation:
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host)
    server.command("domain", "set", DOMAIN, "sent-back=never")
    server.add_domain("sender.example", "--primary", world.host, "--recipients", "any")
    for user in (ANN, BEN):
        server.add_user(user)
    return server.start()


def state(server: Installation, **environment: Any) -> str:
    (row,) = server.command("outage", "status", DOMAIN, **environment)
    return str(row["state"])


def held_in_the_window(server: Installation, primary: ScriptedPrimary) -> str:
    """Its id; what is looked at takes however long it takes, so its end is far away."""
    planned = server.command("maintenance", "add", DOMAIN, "--from", "now", "--to", "+1h", "--reason", "new disks")
    eventually(lambda: state(server) == "held", what="the window begins")
    for number in range(3):
        server.send(mail(number), ANN)
    waiting = server.queue()
    assert len(waiting) == 3
    assert {(one["state"], one["attempts"]) for one in waiting} == {("domain-held", 0)}
    assert {one["status"] for one in waiting} == {"444 Redirect because: maintenance: new disks"}
    assert primary.messages == [] and primary.asked == []
    with server.imap(ANN) as client:
        assert [after_trace(one) for one in fetched(client)] == [mail(number) for number in range(3)], "read meanwhile"
    return str(planned["id"])


def ends_soon(server: Installation, window: str) -> None:
    """By another one in its place, which nobody takes back."""
    server.command("maintenance", "add", DOMAIN, "--from", "now", "--to", "+3s")
    server.command("maintenance", "remove", DOMAIN, window)


def resumes_by_itself(server: Installation, primary: ScriptedPrimary) -> None:
    eventually(lambda: not server.queue(), what="the window ends, and what waited goes")
    assert len(primary.messages) == 3
    assert server.balance() == {"accepted": 3, "delivered": 3}
    eventually(lambda: state(server) == "up", what="and its state is as before")


def test_mail_is_held_in_a_window_of_maintenance_and_goes_by_itself(
    company: Installation, primary: ScriptedPrimary
) -> None:
    ends_soon(company, held_in_the_window(company, primary))
    resumes_by_itself(company, primary)


def restarted_days_later(server: Installation, days: int) -> dict[str, str]:
    server.stop()
    server.environment = moved_by(days)
    server.start()
    return server.environment


def accepted_on_day_0(server: Installation) -> None:
    server.command("domain", "hold", DOMAIN, "--reason", "the disks are late")
    server.send(mail("world"), ANN, sender=BOB)
    server.send(mail("forged"), ANN, sender=STRANGER)
    with server.submission(BEN) as client:
        assert not client.sendmail(BEN, [ANN], mail("colleague", to=ANN, sender=BEN))
    assert len(server.queue()) == 3


def still_there_on_day_13(server: Installation, primary: ScriptedPrimary, world: ScriptedPrimary) -> None:
    later = restarted_days_later(server, 13)
    waiting = server.command("queue", "list", environment=later)
    assert {one["state"] for one in waiting} == {"domain-held"} and len(waiting) == 3
    expires = [datetime.datetime.fromisoformat(one["expires"]) - datetime.datetime.now(datetime.UTC) for one in waiting]
    assert all(datetime.timedelta(days=13, hours=23) < one < datetime.timedelta(days=14) for one in expires)
    with server.imap(ANN) as client:
        assert len(fetched(client)) == 3
    assert primary.messages == [] and world.messages == []


def warned_a_day_before(server: Installation) -> None:
    def warned() -> list[dict[str, Any]]:
        listed = server.command("alert", "list", environment=server.environment)
        return [one for one in listed if one["kind"] == "mail-at-risk"]

    (alert,) = eventually(warned, what="who can still do something is told")
    assert alert["domain"] == DOMAIN


def a_clock_that_jumped_ends_nothing(server: Installation) -> dict[str, str]:
    later = restarted_days_later(server, 14)
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: server.log("recipient-bounced"), within=1.5)
    return later


def on_day_14_its_senders_are_told(server: Installation, world: ScriptedPrimary, later: dict[str, str]) -> None:
    server.command("expire", "--confirm", environment=later)
    server.stop()
    began = server.log_end()
    server.start()
    assert len(server.told("recipient-bounced", since=began, count=3, recipient=ANN)) == 3
    (to_bob,) = eventually(lambda: world.messages, what="Bob's server has his notice")
    assert (to_bob.sender, to_bob.recipients) == ("", (BOB,))
    with server.imap(BEN) as client:
        (to_ben,) = fetched(client)
    for notice in (to_bob.octets, to_ben):
        report = email.message_from_bytes(notice, policy=email.policy.default)
        assert report.get_content_type() == "multipart/report"
        text, status, header = report.iter_parts()
        assert ANN in text.get_content() and "14 days" in text.get_content()
        assert "Action: failed" in status.as_string()
        assert header.get_content_type() == "text/rfc822-headers", "never its text"


def who_cannot_be_answered_is_told_to_the_administrator(server: Installation) -> None:
    (alarm,) = [one for one in server.log("alarm") if one["kind"] == "sender-not-told"]
    assert "nowhere.invalid" in alarm["text"]


def nobody_gets_it_twice_and_she_can_still_read_it(
    server: Installation, primary: ScriptedPrimary, later: dict[str, str]
) -> None:
    left = [one for one in server.command("queue", "list", environment=later) if ANN in one["to"]]
    assert left == [] and primary.messages == []
    with server.imap(ANN) as client:
        assert len(fetched(client)) == 3
    looked = server.command("outage", "balance", environment=later)
    assert looked["balanced"] and looked["bounced"] == 3


def test_what_is_held_waits_for_thirteen_days_and_on_the_fourteenth_its_sender_is_told(
    company: Installation, primary: ScriptedPrimary, world: ScriptedPrimary
) -> None:
    company.expected_alarms = frozenset({"mail-at-risk", "sender-not-told"})
    accepted_on_day_0(company)
    still_there_on_day_13(company, primary, world)
    warned_a_day_before(company)
    later = a_clock_that_jumped_ends_nothing(company)
    on_day_14_its_senders_are_told(company, world, later)
    who_cannot_be_answered_is_told_to_the_administrator(company)
    nobody_gets_it_twice_and_she_can_still_read_it(company, primary, later)
