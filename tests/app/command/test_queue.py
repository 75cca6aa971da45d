"""What waits: seen, hurried, given up."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from tests.app.command.office import Office
from tests.delivery.world import World
from xtramail.app.command.context import when
from xtramail.directory.primaries import step
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.store import outbound
from xtramail.store.records import QueueEntry

RAY = "ray@relay.example"


def one_waiting(office: Office, sender: str = "zoe@sender.example") -> QueueEntry:
    office.receive(RAY, sender=sender)
    (entry,) = office.queued()
    return entry


def change(office: Office, entry: QueueEntry, **changes: object) -> None:
    office.settle(lambda txn: outbound.update(txn, replace(entry, **changes)))


def fates(office: Office, message_id: int) -> dict[str, str]:
    shown = office.json("message", "show", id_text(message_id))
    return {str(row["recipient"]): str(row["fate"]) for row in shown["fates"]}


def test_an_empty_queue_says_so(office: Office) -> None:
    assert office.json("queue", "list") == []
    assert office.done("queue", "list") == "the queue is empty: all mail is handed on\n"
    assert office.done("queue", "list", "--domain", "Relay.Example") == "no mail waits for relay.example\n"


def test_waiting_mail_is_listed_with_what_it_waits_for(office: Office) -> None:
    entry = one_waiting(office)
    (row,) = office.json("queue", "list")
    assert row["id"] == id_text(entry.id) and row["message"] == id_text(entry.message_id)
    assert (row["destination"], row["from"], row["to"]) == ("relay.example", "zoe@sender.example", [RAY])
    assert (row["state"], row["attempts"], row["reason"], row["next"]) == ("due", 0, "", None)
    head, line = office.done("queue", "list", "--domain", "relay.example").splitlines()
    assert head.split("\t")[:2] == ["id", "destination"]
    assert line.split("\t")[:4] == [id_text(entry.id), "relay.example", "zoe@sender.example", RAY]


def test_each_kind_of_waiting_has_its_word(office: Office) -> None:
    entry = one_waiting(office)
    assert office.json("queue", "list")[0]["state"] == "due"
    assert "as soon as its host takes it" in office.done("queue", "list")
    later = entry.arrival + 3600
    change(office, entry, due=later, last_reply="connect: refused")
    (row,) = office.json("queue", "list")
    assert (row["state"], row["next"]) == ("waiting", when(later))
    assert str(when(later)) in office.done("queue", "list")
    change(office, entry, lease_until=entry.arrival + 3600, lease_owner="run")
    assert office.json("queue", "list")[0]["state"] == "under-way"
    change(office, entry)
    office.done("domain", "hold", "relay.example")
    (row,) = office.json("queue", "list")
    assert (row["state"], row["reason"], row["next"]) == ("domain-held", "held by the admin", None)
    assert "xtramail domain release NAME" in office.done("queue", "list")
    office.settle(lambda txn: outbound.hold(txn, entry.id, "restored from the backup"))
    (row,) = office.json("queue", "list")
    assert (row["state"], row["reason"]) == ("held", "restored from the backup")
    assert "xtramail queue release ID" in office.done("queue", "list")


@pytest.mark.parametrize(
    ("event", "state", "words"),
    [
        (Event.FAILS, "primary-down", "when its primary answers again"),
        (Event.ANSWERS, "giving-back", "in its turn; what waited is being given back"),
    ],
)
def test_how_it_stands_with_the_destination_is_told(office: Office, event: Event, state: str, words: str) -> None:
    entry = one_waiting(office)
    assert office.json("queue", "list")[0]["destination-state"] == "up"
    change(office, entry, due=entry.arrival + 3600, last_reply="connect: refused", attempts=2)

    def outage(world: World) -> None:
        for one in (Event.FAILS, event):
            drive(step(world.engine, "relay.example", one, cause="refused", now=world.clock.now()))

    office.world(outage)
    (row,) = office.json("queue", "list")
    assert row["state"] == state and row["destination-state"] == state.replace("primary-", "").replace(
        "giving-back", "recovering"
    )
    assert words in office.done("queue", "list") and "connect: refused" in office.done("queue", "list")


def test_release_lets_held_mail_go_whatever_became_of_its_copies(office: Office) -> None:
    entry = one_waiting(office)
    change(office, entry, due=entry.expires, held=True, hold_reason="refused, though known since 2026-01-01")
    assert "refused, though known" in office.done("queue", "list")
    assert office.json("queue", "release", id_text(entry.id)) == {"released": 1, "ids": [id_text(entry.id)]}
    (freed,) = office.queued()
    assert freed.released and not freed.held and freed.due < entry.expires
    assert office.json("queue", "release", "--domain", "relay.example")["released"] == 0
    assert office.run("queue", "release").exit_code == 2


def test_a_long_queue_says_that_there_is_more(office: Office) -> None:
    for _ in range(3):
        office.receive(RAY)
    result = office.run("queue", "list", "--limit", "2")
    assert len(result.stdout.splitlines()) == 3
    assert "There is more; see it with: --limit 4" in result.stderr
    assert office.run("queue", "list", "--limit", "3").stderr == ""


def test_a_message_is_found_by_its_queue_id_and_its_message_id(office: Office) -> None:
    entry = one_waiting(office)
    by_entry = office.json("queue", "show", id_text(entry.id))
    assert by_entry == office.json("queue", "show", id_text(entry.message_id).upper())
    assert by_entry["recipients"] == [{"address": RAY, "fate": "held", "attempts": 0, "answer": ""}]
    assert f"{RAY}\theld" in office.done("queue", "show", id_text(entry.id))


def test_an_id_that_is_none_and_one_that_does_not_wait_are_told_apart(office: Office) -> None:
    assert "a message id has 13 characters; see: xtramail queue list" in office.refused("queue", "show", "17")
    assert "does not wait in the queue; see what became of it" in office.refused("queue", "show", "0000000000000")


def test_retry_makes_mail_due_now_and_lets_held_mail_go(office: Office) -> None:
    entry = one_waiting(office)
    change(office, entry, due=entry.expires, held=True, hold_reason="restored")
    assert office.json("queue", "retry", id_text(entry.id)) == {
        "retried": 1,
        "held-domains": [],
        "down-domains": [],
    }
    (row,) = office.json("queue", "list")
    assert (row["state"], row["reason"]) == ("due", "")
    assert office.done("queue", "retry", "--all") == "1 message due now.\n"
    assert office.json("queue", "retry", "--domain", "other.example")["retried"] == 0
    assert office.json("queue", "retry", "--domain", "relay.example")["retried"] == 1


def test_retry_says_when_the_whole_domain_is_held(office: Office) -> None:
    one_waiting(office)
    office.done("domain", "hold", "relay.example")
    assert "relay.example is held: its mail goes with: xtramail domain release relay.example" in office.done(
        "queue", "retry", "--all"
    )


def test_retry_and_release_say_when_the_primary_is_down(office: Office) -> None:
    entry = one_waiting(office)

    def outage(world: World) -> None:
        drive(step(world.engine, "relay.example", Event.FAILS, cause="connection refused", now=world.clock.now()))

    office.world(outage)
    words = "The primary of relay.example is down: its mail goes when it answers again"
    assert words in office.done("queue", "retry", "--all")
    assert words in office.done("queue", "release", id_text(entry.id))
    assert words in office.done("message", "release", id_text(entry.message_id))
    assert office.json("queue", "retry", "--all")["down-domains"] == ["relay.example"]


def test_an_answer_is_told_once(office: Office) -> None:
    entry = one_waiting(office)
    change(office, entry, last_reply="connect: connection refused", attempts=1)
    office.world(
        lambda world: drive(
            step(
                world.engine,
                "relay.example",
                Event.FAILS,
                cause="mail.relay.example:25: connect: connection refused",
                now=world.clock.now(),
            )
        )
    )
    assert office.done("queue", "list").count("connection refused") == 1


def test_bounce_gives_mail_up_and_tells_a_sender_that_is_ours(office: Office) -> None:
    entry = one_waiting(office, sender="ann@local.example")
    done = office.json("queue", "bounce", id_text(entry.id), "--reason", "their host is gone for good")
    assert done == {"bounced": 1, "ids": [id_text(entry.id)], "untold": []}
    assert office.queued() == []
    assert fates(office, entry.message_id) == {RAY: Fate.BOUNCED.value}
    events = office.json("trace", "ann@local.example")["events"]
    (told,) = [event for event in events if event["from"] == "<>" and event["event"] == "accepted"]
    notice = office.run("message", "export", told["id"]).stdout_bytes
    assert b"their host is gone for good" in notice and b"multipart/report" in notice
    assert office.json("status")["balanced"] is True


def test_bounce_says_when_the_sender_is_not_told(office: Office) -> None:
    entry = one_waiting(office, sender="")
    result = office.run("queue", "bounce", id_text(entry.id))
    assert result.exit_code == 0
    assert "its sender is not told: it came from the null sender" in result.stderr
    assert result.stdout == "1 message given up.\n"


def test_bounce_works_more_than_once_in_a_process_and_leaves_no_traces_on_the_terminal(office: Office) -> None:
    for number in range(3):
        entry = one_waiting(office, sender="ann@local.example" if number else "")
        result = office.run("queue", "bounce", id_text(entry.id), "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["bounced"] == 1
        assert result.stderr == "" or number == 0


def test_what_is_held_can_be_given_up_too(office: Office) -> None:
    entry = one_waiting(office, sender="ann@local.example")
    office.done("domain", "hold", "relay.example")
    office.settle(lambda txn: outbound.hold(txn, entry.id, "restored"))
    assert office.json("queue", "bounce", id_text(entry.id))["bounced"] == 1
    assert office.queued() == []
    assert office.json("status")["balanced"] is True


def test_what_is_just_being_handed_over_is_left_alone(office: Office) -> None:
    entry = one_waiting(office, sender="ann@local.example")
    change(office, entry, lease_until=entry.arrival + 3600, lease_owner="server")
    reason = office.refused("queue", "bounce", id_text(entry.id))
    assert "just being handed over" in reason and "xtramail queue show ID" in reason
    assert len(office.queued()) == 1


def test_a_message_named_twice_is_given_up_once(office: Office) -> None:
    entry = one_waiting(office, sender="ann@local.example")
    assert office.json("queue", "bounce", id_text(entry.id), id_text(entry.message_id))["bounced"] == 1


def test_nothing_is_given_up_when_one_id_is_wrong(office: Office) -> None:
    entry = one_waiting(office)
    assert "does not wait" in office.refused("queue", "bounce", id_text(entry.id), "0000000000000")
    assert len(office.queued()) == 1


def test_a_reason_is_one_line_that_a_person_can_read(office: Office) -> None:
    entry = one_waiting(office)
    for reason in ("", " ", "a\r\nBcc: x@example.org", "\x1b[2J", "x" * 501):
        words = ("queue", "bounce", id_text(entry.id), "--reason", reason)
        assert "reason: one line of 1 to 500" in office.refused(*words)
    assert len(office.queued()) == 1


def test_words_of_a_hostile_host_do_not_reach_the_terminal_raw(office: Office) -> None:
    entry = one_waiting(office)
    change(office, entry, last_reply="451 \x1b]0;owned\x07 try\tlater\nnow")
    text = office.done("queue", "list")
    assert "\x1b" not in text and "\x07" not in text
    assert len(text.splitlines()) == 2 and len({line.count("\t") for line in text.splitlines()}) == 1
    assert office.json("queue", "list")[0]["last-answer"] == "451 \x1b]0;owned\x07 try\tlater\nnow"


def test_a_user_and_a_domain_with_waiting_mail_cannot_be_removed(office: Office) -> None:
    entry = one_waiting(office, sender="ann@local.example")
    assert "1 messages still wait for the primary; see: xtramail queue list" in office.refused("user", "remove", RAY)
    assert "still wait for the primary" in office.refused("domain", "remove", "relay.example")
    for words in (("user", "remove", "ann@local.example"), ("domain", "remove", "local.example")):
        assert "1 messages from it still wait to be handed on" in office.refused(*words), "its sender is to be told"
    office.done("queue", "bounce", id_text(entry.id))
    assert office.json("user", "remove", RAY) == {"removed": RAY}
    assert office.json("domain", "remove", "relay.example") == {"removed": "relay.example", "users": 1}
