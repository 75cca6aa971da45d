"""One 450 to one message is no outage: it is tried again, and everything else goes on as if nothing had happened."""

from __future__ import annotations

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary


def state(server: Installation) -> str:
    (row,) = server.command("outage", "status", DOMAIN)
    return str(row["state"])


def waits_with_its_answer_and_the_time_of_its_next_attempt(server: Installation) -> None:
    (waiting,) = eventually(lambda: [one for one in server.queue() if one["attempts"]], what="it was tried once")
    assert waiting["to"] == [ANN] and waiting["attempts"] == 1
    assert waiting["last-answer"] == "450 4.7.1 greylisted, come again"
    assert waiting["state"] == "waiting" and waiting["next"] and waiting["destination-state"] == "up"


def other_mail_goes_on(server: Installation, primary: ScriptedPrimary) -> None:
    began = server.log_end()
    server.told("recipient-delivered", since=began, id=server.send(mail("other"), BEN))
    assert [one.recipients for one in primary.messages] == [(BEN,)]


def state_stays_up_and_nobody_is_told(server: Installation, since: int) -> None:
    assert state(server) == "up"
    assert server.log("primary-changed", since=since) == []
    assert server.command("outage", "history", DOMAIN) == []
    assert server.command("alert", "list") == []


def retried_and_taken_once(server: Installation, primary: ScriptedPrimary) -> None:
    server.waits_for_nothing()
    assert [one.recipients for one in primary.messages] == [(BEN,), (ANN,)]
    assert server.balance() == {"accepted": 2, "delivered": 2}


def trace_ends_in_the_true_state(server: Installation) -> None:
    traced = server.command("trace", "<greylisted@sender.example>")
    (fate,) = traced["fates"]
    assert (fate["recipient"], fate["fate"]) == (ANN, "delivered")
    answers = [one["text"] for one in traced["events"] if one["event"] == "attempt"]
    assert answers == ["deferred: 450 4.7.1 greylisted, come again", "delivered: 250 2.0.0 taken"]
    assert (traced["events"][-1]["event"], traced["events"][-1]["fate"]) == ("state", "delivered")


def test_one_greylisted_message_is_retried_and_the_state_stays_up(
    install: Install, primary: ScriptedPrimary
) -> None:
    # Long enough to look at what waits, and at everything else meanwhile, on a busy machine too.
    server = install(settings=('relay.retry=["12s"]',))
    server.add_domain(DOMAIN, "--primary", primary.host)
    for user in (ANN, BEN):
        server.add_user(user)
    server.start()
    primary.play(Script(greylist=frozenset({ANN})))
    began = server.log_end()
    server.send(mail("greylisted"), ANN)
    waits_with_its_answer_and_the_time_of_its_next_attempt(server)
    state_stays_up_and_nobody_is_told(server, began)
    other_mail_goes_on(server, primary)
    retried_and_taken_once(server, primary)
    state_stays_up_and_nobody_is_told(server, began)
    trace_ends_in_the_true_state(server)
