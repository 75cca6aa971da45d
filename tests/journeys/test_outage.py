"""While the primary is away or at odds, mail is taken, can be read, and is handed on once when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, after_return_path, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary

IMPATIENT = (
    'relay.connect-timeout="2s"',
    'relay.greeting-timeout="2s"',
    'relay.command-timeout="2s"',
    'relay.data-timeout="2s"',
    'relay.final-timeout="2s"',
)


def test_twenty_messages_of_an_outage_are_handed_back_once_each(
    office: Installation, primary: ScriptedPrimary
) -> None:
    primary.refuse()
    sent = {number: mail(number, to=f"{ANN}, {BEN}") for number in range(20)}
    with office.smtp() as client:
        for number, message in sent.items():
            to = (ANN, BEN) if number % 5 == 0 else (ANN,)
            assert not client.sendmail("bob@sender.example", to, message)

    with office.imap(ANN) as client:
        stored = fetched(client)
    assert [after_trace(one) for one in stored] == list(sent.values()), "read while the primary is away"
    eventually(lambda: any(one["attempts"] for one in office.queue()))
    assert len(office.queue()) == 20
    assert office.balance() == {"accepted": 24, "held": 24}
    assert primary.messages == []

    primary.accept()
    eventually(lambda: not office.queue(), what="the queue drains by itself")
    assert sorted(one.octets for one in primary.messages) == sorted(after_return_path(one) for one in stored)
    assert sum(len(one.recipients) for one in primary.messages) == 24
    assert office.balance() == {"accepted": 24, "delivered": 24}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, ScriptedPrimary]]:
    """One impatient server for all kinds of trouble."""
    folder: Path = tmp_path_factory.mktemp("trouble") / "server"
    with ScriptedPrimary() as primary:
        server = Installation(folder, settings=IMPATIENT).init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        server.add_user(ANN)
        # What is refused for good is to bounce here; that an accident is held has a journey of its own.
        server.command("domain", "set", DOMAIN, "guard-refusals=off")
        server.start()
        # A message from the null sender that is refused for good: nobody may be told, so the administrator is.
        server.expected_alarms = frozenset({"sender-not-told", "message-unconfirmed"})
        yield server, primary
        server.close()


TROUBLES = {
    "banner-421": (Script(replies={"banner": "421 4.3.2 closing"}), "421 4.3.2"),
    "banner-554": (Script(replies={"banner": "554 5.3.2 no service"}), "554 5.3.2"),
    "ehlo-451": (Script(replies={"ehlo": "451 4.3.0 not now"}), "451 4.3.0"),
    "mail-452": (Script(replies={"mail": "452 4.3.1 full"}), "452 4.3.1"),
    "mail-550": (Script(replies={"mail": "550 5.7.1 go away"}), "550 5.7.1"),
    "rcpt-450": (Script(replies={"rcpt": "450 4.2.1 busy"}), "450 4.2.1"),
    "rcpt-421": (Script(replies={"rcpt": "421 4.3.2 closing"}), "421 4.3.2"),
    "data-451": (Script(replies={"data": "451 4.3.0 not now"}), "451 4.3.0"),
    "final-451": (Script(replies={"final": "451 4.3.0 not kept"}), "451 4.3.0"),
    "drop-at-mail": (Script(drop_at="mail"), ""),
    "drop-at-data": (Script(drop_at="data"), ""),
    "hang-at-banner": (Script(hang_at="banner"), "no answer"),
    "hang-at-rcpt": (Script(hang_at="rcpt"), "no answer"),
    "hang-at-data": (Script(hang_at="data"), "no answer"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_at_any_stage_only_defers(lasting: tuple[Installation, ScriptedPrimary], trouble: str) -> None:
    server, primary = lasting
    script, answer = TROUBLES[trouble]
    primary.play(script)
    primary.meet_anew()
    began = server.log_end()
    number = server.send(mail(trouble), ANN)

    def deferred() -> bool:
        # On a busy machine the first attempt may have come to nothing for another reason.
        told = server.told("recipient-deferred", since=began, id=number)
        return any(answer in one["reply"] for one in told)

    eventually(deferred, what=f"it is put off: {answer}")
    with server.imap(ANN) as client:
        assert after_trace(fetched(client)[-1]) == mail(trouble)
    primary.play(Script())
    server.told("recipient-delivered", since=began, id=number)
    assert len(primary.messages) == 1
    assert server.queue() == []


def test_a_connection_that_is_never_answered_only_defers(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    primary.meet_anew()
    primary.blackhole()
    began = server.log_end()
    number = server.send(mail("blackhole"), ANN)
    server.told("recipient-deferred", since=began, id=number)
    primary.accept()
    server.told("recipient-delivered", since=began, id=number)
    assert len(primary.messages) == 1


@pytest.mark.parametrize("script", [Script(drop_at="final"), Script(hang_at="final")], ids=["dropped", "silent"])
def test_a_lost_answer_to_the_final_dot_is_unconfirmed_and_tried_again(
    lasting: tuple[Installation, ScriptedPrimary], script: Script
) -> None:
    server, primary = lasting
    primary.meet_anew()
    primary.play(script)
    began = server.log_end()
    number = server.send(mail("dot"), ANN)
    server.told("recipient-unconfirmed", since=began, id=number)
    # While it is tried again it is attempted, not unconfirmed.
    eventually(lambda: server.balance().get("unconfirmed") == 1, what="the ledger says so")
    primary.play(Script())

    def delivered() -> bool:
        # By now its second attempt may have been lost as well: then it waits for a person.
        for held in [one["id"] for one in server.queue() if one["state"] == "held"]:
            server.command("queue", "release", held)
        return any(one["id"] == number for one in server.log("recipient-delivered", since=began))

    eventually(delivered, what="it is delivered")
    # The one kind of duplicate that cannot be avoided; both copies are the same octets, so it can be recognised.
    assert len({one.octets for one in primary.messages}) == 1
    assert len(primary.messages) >= 2
    assert "unconfirmed" not in server.balance()


@pytest.mark.parametrize("stage", ["rcpt", "final"])
def test_what_the_primary_refuses_for_good_bounces_once(
    lasting: tuple[Installation, ScriptedPrimary], stage: str
) -> None:
    server, primary = lasting
    primary.meet_anew()
    before = server.balance().get("bounced", 0)
    primary.play(Script(replies={stage: "550 5.7.1 not this one"}))  # type: ignore[dict-item]
    began = server.log_end()
    number = server.send(mail(f"refused-{stage}"), ANN, sender="")
    server.told("recipient-bounced", since=began, id=number)
    assert server.balance()["bounced"] == before + 1
    assert primary.messages == []
    assert server.queue() == [], "no notice to the null sender"
    alarms = [one for one in server.log("alarm") if one["kind"] == "sender-not-told"]
    assert server.metric('xtramail_alarms_total{kind="sender-not-told"}') == len(alarms) > 0
    with server.imap(ANN) as client:
        assert after_trace(fetched(client)[-1]) == mail(f"refused-{stage}"), "the copy can still be read"
