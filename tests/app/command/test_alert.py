"""``alert list`` and ``alert test``, and the domain settings that say who is told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.app.command.office import Office
from xtramail.directory.primaries import step
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.store import alerts, keys
from xtramail.store.alerts import Telling

RELAY = "relay.example"


def raise_one(office: Office, *tellings: Telling) -> None:
    with office.engine() as engine:
        drive(step(engine, RELAY, Event.FAILS, cause="no answer", now=1_767_225_600.0))
        (row,) = engine.read(keys.ALERTS, alerts.alerts)
        told = replace(row, addressed=bool(tellings), tellings=tellings)
        engine.transact(keys.ALERTS, lambda txn: alerts.put(txn, told)).result()


def test_alerts_are_listed_with_what_came_of_them(office: Office) -> None:
    assert "nothing happened" in office.done("alert", "list")
    raise_one(
        office,
        Telling(channel="webhook", target="https://hooks.example/secret-path", whose="domain", state="told"),
        Telling(channel="mail", target="ops@x.example", whose="operator", attempts=2, answer="full", due=1.0),
    )
    (row,) = office.json("alert", "list", "--domain", RELAY)
    assert (row["kind"], row["title"], row["count"]) == ("primary-state", "primary is down", 1)
    assert [(one["to"], one["state"]) for one in row["told"]] == [
        ("https://hooks.example/...", "told"),
        ("ops@x.example", "owed"),
    ]
    shown = office.done("alert", "list")
    assert "secret-path" not in shown and "mail ops@x.example: owed" in shown
    assert office.json("alert", "list", "--domain", "local.example") == []


def test_an_alert_without_addresses_yet_waits(office: Office) -> None:
    raise_one(office)
    assert office.json("alert", "list")[0]["waits"] is True
    assert "waits" in office.done("alert", "list")


def test_a_test_needs_a_running_server_and_a_domain(office: Office) -> None:
    assert "no server runs" in office.refused("alert", "test", RELAY)
    assert "is not served here" in office.refused("alert", "test", "nowhere.example")
    assert office.json("alert", "list") == []


def test_a_webhook_gets_a_secret_that_is_shown_once(office: Office) -> None:
    made = office.json("domain", "set", RELAY, "alert-webhook=https://hooks.example/x")["generated-alert-secret"]
    assert len(made) == 32
    shown = office.json("domain", "show", RELAY)
    assert (shown["alert-webhook"], shown["alert-secret"]) == ("https://hooks.example/x", "set")
    assert made not in office.done("domain", "show", RELAY)
    assert "generated-alert-secret" not in office.json("domain", "set", RELAY, "alert-webhook=https://hooks.example/y")


def test_a_secret_of_ones_own_comes_from_standard_input(office: Office) -> None:
    words = ("domain", "set", RELAY, "alert-webhook=https://hooks.example/x", "alert-secret=-")
    assert "generated-alert-secret" not in office.json(*words, input="0123456789abcdef\n")
    assert "at least 16 characters" in office.refused("domain", "set", RELAY, "alert-secret=-", input="short\n")
    assert "not on the command line" in office.refused("domain", "set", RELAY, "alert-secret=0123456789abcdef")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("alert-mail=me@local.example", "local.example is served here"),
        ("alert-mail=me", "alert-mail"),
        ("alert-webhook=http://hooks.example/", "must be https"),
    ],
)
def test_who_could_not_be_told_is_refused(office: Office, change: str, reason: str) -> None:
    assert reason in office.refused("domain", "set", RELAY, change)
    assert office.json("domain", "show", RELAY)["alert-mail"] == ""
