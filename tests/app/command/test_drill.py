"""``drill``: who takes part, when it is refused, and what its report says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.command.office import Office
from xtramail.directory.primaries import step
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.store import drills, keys
from xtramail.store.drills import DrillRow, Pilot
from xtramail.store.server_lock import ServerLock

RELAY = "relay.example"
START = ("drill", "start", RELAY, "--users", "ray", "--minutes", "30")


@pytest.fixture
def served(office: Office) -> Iterator[Office]:
    """As if a server ran on the store."""
    lock = ServerLock(office.store)
    yield office
    lock.release()


def came(office: Office, drill: int, **states: str) -> None:
    """What a server would have found out of the one pilot."""

    def change(txn: object) -> None:
        (pilot,) = drills.pilots(txn, drill)  # type: ignore[arg-type]
        for name, state in states.items():
            name = name.replace("_", "-")
            pilot = pilot.came(name, state, "seen", at=1_767_225_600.0, next="do this")  # type: ignore[arg-type]
        drills.put_pilot(txn, drill, pilot)  # type: ignore[arg-type]

    with office.engine() as engine:
        engine.transact(keys.DRILLS, change).result()


def test_a_drill_begins_with_who_could_not_log_in_by_name(served: Office) -> None:
    begun = served.json(*START)
    assert (begun["domain"], begun["state"], begun["users"]) == (RELAY, "running", 1)
    assert begun["without-password"] == [f"ray@{RELAY}"]
    (row,) = served.json("drill", "status", RELAY)
    assert row["id"] == begun["id"] and row["passed"] == row["failed"] == []
    assert served.json("drill", "status", "local.example") == []


def test_a_second_one_of_the_domain_is_refused(served: Office) -> None:
    begun = served.json(*START)
    assert f"xtramail drill stop {begun['id']}" in served.refused(*START)


@pytest.mark.parametrize(
    ("users", "reason"),
    [
        ("nobody", "users 'nobody': no user of relay.example"),
        ("ann@local.example", "no user of relay.example"),
        ("staff", "no user of relay.example"),
        (",", "name from 1 to 100"),
    ],
)
def test_who_cannot_take_part_is_refused(served: Office, users: str, reason: str) -> None:
    assert reason in served.refused("drill", "start", RELAY, "--users", users, "--minutes", "5")
    assert served.json("drill", "status") == []


def test_a_drill_needs_a_primary_that_is_up_and_copies(served: Office) -> None:
    words = ("drill", "start", "local.example", "--users", "ann", "--minutes", "5")
    assert "there is no primary" in served.refused(*words)
    served.done("domain", "set", RELAY, "continuity=off")
    assert "continuity=on" in served.refused(*START)
    served.done("domain", "set", RELAY, "continuity=on")
    with served.engine() as engine:
        drive(step(engine, RELAY, Event.FAILS, cause="away", now=1_767_225_600.0))
    assert "which is no drill" in served.refused(*START)


def test_a_drill_needs_a_running_server(office: Office) -> None:
    assert "start it first" in office.refused(*START)


def test_stopped_it_is_tidied_up_by_the_server(served: Office) -> None:
    begun = served.json(*START)
    stopped = served.json("drill", "stop", begun["id"])
    assert stopped["state"] == "ending" and stopped["stopped-by"]
    assert "is over already" in served.refused("drill", "stop", begun["id"])


def test_the_report_names_each_step_and_what_to_do(served: Office) -> None:
    begun = served.json(*START)
    came(served, int(begun["id"]), login="good", in_primary="failed")
    told = served.json("drill", "report", begun["id"])
    (pilot,) = told["pilots"]
    assert (pilot["user"], pilot["result"]) == (f"ray@{RELAY}", "failed")
    states = {one["step"]: (one["state"], one["next"]) for one in pilot["steps"]}
    assert states["in-primary"] == ("failed", "do this") and states["login"][0] == "good"
    assert told["failed"] == [f"ray@{RELAY}"]
    assert "in-primary" in served.done("drill", "report", begun["id"])


@pytest.mark.parametrize("number", ["7", "seven", "9" * 30])
def test_an_unknown_drill_is_refused_with_the_next_step(office: Office, number: str) -> None:
    for command in ("report", "stop"):
        assert "xtramail drill status" in office.refused("drill", command, number)


def test_old_reports_go_after_a_year(served: Office) -> None:
    with served.engine() as engine:
        old = DrillRow(id=1, domain=RELAY, started=1.0, ends=2.0)
        pilot = Pilot(account_id=9, address="x@relay.example")
        engine.transact(keys.DRILLS, lambda txn: drills.begin(txn, old, (pilot,))).result()
        engine.transact(keys.DRILLS, lambda txn: drills.end(txn, 1, 2.0)).result()
        engine.transact(keys.DRILLS, lambda txn: drills.finish(txn, 1)).result()
    assert len(served.json("drill", "status")) == 1
    begun = served.json(*START)
    assert [one["id"] for one in served.json("drill", "status")] == [begun["id"]]


def test_who_does_not_live_at_the_primary_rehearses_no_outage_of_it(served: Office) -> None:
    served.done("route", "add", "relay.example", "here", "--user", "ray@relay.example")
    told = served.refused("drill", "start", "relay.example", "--users", "ray", "--minutes", "5")
    assert "users 'ray': lives here, so that an outage of the primary does not concern it" in told
