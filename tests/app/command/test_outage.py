"""``outage``, ``maintenance``, ``domain hold`` and ``release``: what they write, show and refuse."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from tests.app.command.office import Office
from xtramail.directory.primaries import step
from xtramail.model.ids import id_text
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.store import outbound

RELAY = "relay.example"


def take(office: Office, *events: Event) -> None:
    with office.engine() as engine:
        for at, event in enumerate(events):
            drive(step(engine, RELAY, event, cause=f"because of {event}", now=1_767_225_600.0 + 60 * at))


def test_a_primary_that_works_is_up(office: Office) -> None:
    (row,) = office.json("outage", "status", RELAY)
    assert (row["state"], row["waiting"], row["outage"]) == ("up", 0, "")
    assert "no outage is on record" in office.done("outage", "history")


def test_an_outage_is_shown_with_each_of_its_states(office: Office) -> None:
    take(office, Event.FAULT, Event.FAILS, Event.ANSWERS, Event.DRAINED)
    (row,) = office.json("outage", "history", RELAY)
    assert (row["cause"], row["lasted"]) == ("because of fails", "2m")
    shown = office.json("outage", "show", row["id"])
    assert [one["after"] for one in shown["steps"]] == ["down", "recovering", "up"]
    assert "because of drained" in office.done("outage", "show", row["id"])


def test_what_waits_for_a_primary_that_is_down_is_counted(office: Office) -> None:
    office.receive(f"ray@{RELAY}")
    take(office, Event.FAILS)
    (row,) = office.json("outage", "status", RELAY)
    assert (row["state"], row["waiting"], row["cause"]) == ("down", 1, "because of fails")


@pytest.mark.parametrize("number", ["7", "seven", "9" * 30])
def test_an_unknown_outage_is_refused_with_the_next_step(office: Office, number: str) -> None:
    assert "xtramail outage history" in office.refused("outage", "show", number)


def test_waiting_for_an_ok_is_set_by_hold_and_taken_back_by_release(office: Office) -> None:
    assert office.json("domain", "hold", RELAY, "--wait-for-ok")["state"] == "up"
    assert office.json("domain", "show", RELAY)["wait-for-ok"] == "on"
    office.done("domain", "release", RELAY, "--automatic")
    assert office.json("domain", "show", RELAY)["wait-for-ok"] == "off"


def test_releasing_what_is_not_held_says_so(office: Office) -> None:
    assert f"domain {RELAY} is not held; waiting for its primary: 0 messages" in office.done("domain", "release", RELAY)
    office.world(lambda world: drive(step(world.engine, RELAY, Event.FAILS, cause="refused", now=world.clock.now())))
    assert "its primary is down: 0 messages will go when it answers" in office.done("domain", "release", RELAY)


def test_releasing_in_a_window_takes_it_back_and_says_so(office: Office) -> None:
    office.done("maintenance", "add", RELAY, "--to", "+3h")
    office.done("domain", "hold", RELAY)
    assert "maintenance window 1 is taken back." in office.done("domain", "release", RELAY)
    assert office.json("maintenance", "list", RELAY) == []
    assert office.json("domain", "release", RELAY)["windows-taken-back"] == []


@pytest.mark.parametrize("words", [("domain", "hold"), ("outage", "status"), ("outage", "history")])
def test_a_local_domain_is_neither_held_nor_away(office: Office, words: tuple[str, ...]) -> None:
    assert "domain local.example is local" in office.refused(*words, "local.example")


def test_a_canary_lies_in_its_domain(office: Office) -> None:
    refused = office.refused("domain", "set", RELAY, "canary=probe@other.example")
    assert f"must be an address in {RELAY}" in refused
    office.done("domain", "set", RELAY, f"canary=Probe@{RELAY.upper()}")


def test_a_window_is_planned_listed_and_taken_back(office: Office) -> None:
    added = office.json("maintenance", "add", RELAY, "--from", "+1h", "--to", "+3h", "--reason", "new disks")
    assert (added["state"], added["reason"]) == ("planned", "new disks")
    begins, ends = (datetime.datetime.fromisoformat(added[key]) for key in ("from", "to"))
    assert ends - begins == datetime.timedelta(hours=3), "three hours from its own beginning"
    assert [one["id"] for one in office.json("maintenance", "list")] == [added["id"]]
    office.done("maintenance", "remove", RELAY, added["id"])
    assert office.json("maintenance", "list", RELAY) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((RELAY, "--to", "soon"), "to 'soon': now, +TIME such as +2h"),
        ((RELAY, "--from", "+2h", "--to", "now"), "must be after --from"),
        ((RELAY, "--to", "2001-01-01"), "in the future"),
        ((RELAY, "--to", "+14d"), "at most 13 days"),
        (("local.example", "--to", "+1h"), "there is no primary"),
        (("nowhere.example", "--to", "+1h"), "is not served here"),
    ],
)
def test_a_window_that_cannot_be_is_refused(office: Office, words: tuple[str, ...], reason: str) -> None:
    assert reason in office.refused("maintenance", "add", *words)
    assert office.json("maintenance", "list") == []


def test_a_window_that_is_not_there_cannot_be_taken_back(office: Office) -> None:
    assert "no such window" in office.refused("maintenance", "remove", RELAY, "4")


def test_the_ledger_is_looked_through_on_demand(office: Office) -> None:
    office.receive(f"ray@{RELAY}", "ann@local.example")
    looked = office.json("outage", "balance")
    assert (looked["accepted"], looked["held"], looked["delivered"], looked["balanced"]) == (2, 1, 1, True)
    assert "balanced" in office.done("outage", "balance")


def test_a_ledger_that_does_not_balance_is_told_with_what_is_wrong(office: Office) -> None:
    office.receive(f"ray@{RELAY}")
    (entry,) = office.queued()
    office.settle(lambda txn: outbound.complete(txn, entry.id))
    result = office.run("outage", "balance", "--json")
    looked = json.loads(result.stdout)
    assert result.exit_code == 1 and looked["balanced"] is False
    assert looked["wrong"] == [
        f"{id_text(entry.message_id)} for ray@{RELAY}: its fate is open, and it does not wait in the queue",
        "1 recipients have an open fate, but the queue holds 0 of them",
    ]
    assert office.run("outage", "balance", RELAY, "--json").exit_code == 1
    assert office.json("outage", "balance", "local.example")["balanced"]


def test_the_ledger_of_one_domain_or_one_outage_is_looked_through(office: Office) -> None:
    take(office, Event.FAILS)
    (row,) = office.json("outage", "history", RELAY)
    office.receive(f"ray@{RELAY}", "ann@local.example")
    looked = office.json("outage", "balance", RELAY)
    assert (looked["accepted"], looked["held"], looked["delivered"]) == (1, 1, 0)
    mine = office.json("outage", "balance", "--outage", row["id"])
    assert (mine["accepted"], mine["held"], mine["balanced"]) == (1, 1, True)
    assert "is of relay.example" in office.refused("outage", "balance", "local.example", "--outage", row["id"])


def test_evidence_is_shown_and_written_as_a_page_that_only_its_owner_reads(office: Office, tmp_path: Path) -> None:
    take(office, Event.FAILS)
    office.receive(f"ray@{RELAY}")
    (row,) = office.json("outage", "history", RELAY)
    shown = office.json("outage", "show", row["id"])["evidence"]
    assert (shown["received"], shown["fates"]["held"], shown["balanced"]) == (1, 1, True)
    assert "1 held" in office.done("outage", "show", row["id"])
    file = tmp_path / "outage.html"
    office.done("outage", "show", row["id"], "--html", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "--force" in office.refused("outage", "show", row["id"], "--html", str(file))
    office.done("outage", "show", row["id"], "--html", str(file), "--force")
    assert "name another file" in office.refused("outage", "show", row["id"], "--html", str(tmp_path / "no" / "x.html"))
