"""What is given back after trouble, and what is not: accidents of the primary, lost answers, and deleted mail."""

from __future__ import annotations

import poplib
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, after_trace, eventually, fetched, mail
from tests.journeys.scripted_imap import ImapScript, ScriptedImap
from tests.journeys.scripted_primary import Script, ScriptedPrimary

SECRET = "the secret of the service"
STRANGER = f"stranger@{DOMAIN}"


def held(server: Installation) -> list[dict[str, Any]]:
    return [one for one in server.queue() if one["state"] == "held"]


def copies(primary: ScriptedPrimary, number: int | str) -> int:
    return len(primary.copies(number))


def test_a_known_user_who_is_refused_is_held_and_alerted_and_a_stranger_refused_at_once(
    office: Installation, primary: ScriptedPrimary
) -> None:
    office.command("domain", "set", DOMAIN, "guard-known=0s")
    primary.play(Script(known=frozenset({BEN})))
    with office.smtp() as client:
        client.ehlo()
        client.mail("bob@sender.example")
        assert client.rcpt(STRANGER)[0] == 550, "never seen, and the primary does not know him"
    office.send(mail(1), [ANN, BEN])
    eventually(lambda: held(office), what="Ann's is held")
    (waiting,) = held(office)
    assert {one["address"]: one["fate"] for one in waiting["recipients"]} == {ANN: "held", BEN: "delivered"}
    assert waiting["reason"].startswith("refused, though known since ")
    assert waiting["last-answer"].startswith("550 5.1.1")
    assert [one.recipients for one in primary.messages] == [(BEN,)]
    assert office.command("outage", "status")[0]["state"] == "up", "the primary is well, it is one recipient"
    assert office.command("trace", STRANGER)["events"][-1]["event"] == "refused"
    with office.imap(ANN) as client:
        assert len(fetched(client)) == 1, "she has it here, and its sender is told nothing"
    (alert,) = office.command("alert", "list")
    assert (alert["kind"], alert["domain"]) == ("message-held-for-refusal", DOMAIN)
    assert office.balance() == {"accepted": 2, "held": 1, "delivered": 1}

    primary.play(Script())
    office.command("queue", "release", waiting["id"])
    office.waits_for_nothing()
    assert [one.recipients for one in primary.messages] == [(BEN,), (ANN,)]
    assert office.balance() == {"accepted": 2, "delivered": 2}


def test_the_administrator_gives_up_what_was_refused_for_good(office: Installation, primary: ScriptedPrimary) -> None:
    office.command("domain", "set", DOMAIN, "guard-known=0s", "sent-back=never")
    primary.play(Script(known=frozenset()))
    with office.submission(BEN) as client:
        assert not client.sendmail(BEN, [ANN], mail(1, to=ANN, sender=BEN))
    eventually(lambda: held(office), what="it is held")
    with office.imap(BEN) as client:
        assert fetched(client) == [], "nobody is told yet"
    primary.play(Script())
    office.command("queue", "bounce", held(office)[0]["id"], "--reason", "she left us")
    with office.imap(BEN) as client:
        (notice,) = fetched(client)
    assert b"she left us" in notice


def drops_the_seventh(server: Installation, primary: ScriptedPrimary, *, discard: bool = False) -> None:
    """Ten messages; after the dot of number 7 the connection goes."""
    for number in range(1, 7):
        server.send(mail(number), ANN)
    server.waits_for_nothing()
    primary.play(Script(drop_at="final", discard=discard), messages=1)
    began = server.log_end()
    server.told("recipient-unconfirmed", since=began, id=server.send(mail(7), ANN))
    for number in range(8, 11):
        server.send(mail(number), ANN)
    server.waits_for_nothing()


def assert_seven_was_unconfirmed_and_is_delivered(server: Installation) -> None:
    events = server.command("trace", "<7@sender.example>")["events"]
    assert "unconfirmed" in [one.get("fate") for one in events]
    assert (events[-1]["event"], events[-1]["fate"]) == ("state", "delivered")


def looks_into(server: Installation, imap: ScriptedImap, folder: Path) -> None:
    server.command(
        "domain", "set", DOMAIN, f"primary-ca={folder / 'authority.pem'}", f"primary-imap={imap.host}",
        "primary-imap-login={address}*admin", "primary-imap-secret=-", text=SECRET,
    )  # fmt: skip


@pytest.mark.parametrize("discard", [False, True], ids=["it-has-it", "it-lost-it"])
def test_a_lost_answer_is_settled_by_a_look_and_nothing_comes_twice(
    office: Installation, primary: ScriptedPrimary, tmp_path: Path, discard: bool
) -> None:
    certificate = Authority(tmp_path).serving("localhost")
    script = ImapScript(passwords={f"{ANN}*admin": SECRET})
    with ScriptedImap(primary.mailboxes, certificate, script=script) as imap:
        looks_into(office, imap, tmp_path)
        drops_the_seventh(office, primary, discard=discard)
    assert [copies(primary, number) for number in range(1, 11)] == [1] * 10
    assert office.balance() == {"accepted": 10, "delivered": 10}
    assert_seven_was_unconfirmed_and_is_delivered(office)
    (fate,) = office.command("trace", "<7@sender.example>")["fates"]
    assert "duplicate" not in fate["answer"]


def test_where_nobody_can_look_it_comes_twice_and_the_ledger_says_so(
    office: Installation, primary: ScriptedPrimary
) -> None:
    drops_the_seventh(office, primary)
    assert [copies(primary, number) for number in range(1, 11)] == [1] * 6 + [2] + [1] * 3
    assert office.balance() == {"accepted": 10, "delivered": 10}
    assert_seven_was_unconfirmed_and_is_delivered(office)
    (fate,) = office.command("trace", "<7@sender.example>")["fates"]
    assert "possible duplicate" in fate["answer"]


def test_an_answer_that_is_lost_twice_waits_for_a_person(office: Installation, primary: ScriptedPrimary) -> None:
    primary.play(Script(drop_at="final"))
    office.send(mail(1), ANN)
    eventually(lambda: held(office), what="it is held")
    assert copies(primary, 1) == 2 and office.balance() == {"accepted": 1, "unconfirmed": 1}
    primary.play(Script())
    (waiting,) = office.command("message", "release", held(office)[0]["message"])["due"].values()
    assert waiting
    office.waits_for_nothing()
    assert copies(primary, 1) == 3 and office.balance() == {"accepted": 1, "delivered": 1}


FILED = {"copied": "Archive", "moved": "Projects/2026", "binned": "Trash"}


def outage_with_filing(server: Installation, primary: ScriptedPrimary) -> None:
    """Ann files, in every way that clients have; Ben's POP3 client fetches and deletes."""
    primary.refuse()
    for name in FILED:
        server.send(mail(name), ANN)
    server.send(mail("fetched", to=BEN), BEN)
    with server.imap(ANN) as client:
        client.create("Projects/2026")
        client.select()
        client.copy("1", FILED["copied"])
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        client.uid("MOVE", "2", FILED["moved"])
        client.uid("MOVE", "3", FILED["binned"])
        assert client.select()[1] == [b"0"], "her INBOX is tidy"
    pop = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls(), timeout=60)
    pop.user(BEN)
    pop.pass_(server.users[BEN])
    pop.retr(1)
    pop.dele(1)
    pop.quit()
    # From now on nothing is tried before its primary answers, and then one after the other.
    server.finds_its_primary("down")


def test_what_was_filed_moved_or_fetched_in_the_outage_is_given_back(
    office: Installation, primary: ScriptedPrimary
) -> None:
    outage_with_filing(office, primary)
    primary.accept()
    office.waits_for_nothing()
    assert [copies(primary, name) for name in (*FILED, "fetched")] == [1, 1, 1, 1]
    assert office.balance() == {"accepted": 4, "delivered": 4}
    with office.imap(ANN) as client:
        for name, mailbox in FILED.items():
            (stored,) = fetched(client, mailbox)
            assert after_trace(stored) == mail(name), "and lies here where she put it"


def outage_with_a_deletion(server: Installation, primary: ScriptedPrimary) -> None:
    """Ann deletes the second of three messages, and files the third."""
    primary.refuse()
    for number in range(3):
        server.send(mail(number), ANN)
    with server.imap(ANN) as client:
        client.select()
        client.store("2", "+FLAGS", "\\Deleted")
        client.expunge()
        client.copy("2", "Archive")
        client.store("2", "+FLAGS", "\\Deleted")
        client.expunge()
    # From now on nothing is tried before its primary answers, and then one after the other.
    server.finds_its_primary("down")


def test_what_she_deleted_in_the_outage_is_not_given_back_and_what_she_filed_is(
    office: Installation, primary: ScriptedPrimary
) -> None:
    outage_with_a_deletion(office, primary)
    primary.accept()
    office.waits_for_nothing()
    assert [copies(primary, number) for number in range(3)] == [1, 0, 1]
    assert office.balance() == {"accepted": 3, "delivered": 2, "suppressed": 1}
    (fate,) = office.command("trace", "<1@sender.example>")["fates"]
    assert fate["fate"] == "suppressed" and fate["answer"].startswith(f"deleted by {ANN} at 20")
    done = office.command("message", "release", fate["id"])
    assert done["to"] == [ANN]
    office.waits_for_nothing()
    assert copies(primary, 1) == 1
    assert office.balance() == {"accepted": 4, "delivered": 3, "suppressed": 1}


@pytest.mark.parametrize("point", ["relay.before-review", "relay.after-review"])
def test_a_death_around_a_suppression_leaves_the_ledger_balanced(
    office: Installation, primary: ScriptedPrimary, point: str
) -> None:
    outage_with_a_deletion(office, primary)
    assert office.stop() == 0
    office.environment = {"XTRAMAIL_CRASH_AT": point}
    office.start(may_die=True)
    primary.accept()
    assert office.wait_for_death() == -signal.SIGKILL
    assert sum(count for fate, count in office.balance().items() if fate != "accepted") == 3
    office.environment = {}
    office.start()
    office.waits_for_nothing()
    assert [copies(primary, number) for number in range(3)] == [1, 0, 1]
    assert office.balance() == {"accepted": 3, "delivered": 2, "suppressed": 1}
