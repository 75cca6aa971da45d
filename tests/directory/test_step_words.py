from __future__ import annotations

import pytest

from tests.delivery.world import World
from xtramail.directory.primaries import step_parts
from xtramail.model.primary import Event
from xtramail.store import alerts, keys
from xtramail.store.alerts import AlertRow

NAME = "relay.example"


def told(*events: Event) -> list[AlertRow]:
    """The alerts that a primary's steps leave, the oldest first."""
    world = World()
    for event in events:
        parts = step_parts(NAME, event, cause=f"it {event}", now=world.clock.now(), by="root")
        world.engine.transact_all(parts).result()
        world.clock.advance(60)
    rows: list[AlertRow] = world.engine.read(keys.ALERTS, alerts.alerts)
    return rows[::-1]


def test_each_step_raises_an_alert_in_its_own_commit() -> None:
    rows = told(Event.FAULT, Event.FAILS, Event.ANSWERS, Event.DRAINED)
    assert [(row.fields["from"], row.fields["to"]) for row in rows] == [
        ("up", "suspect"),
        ("suspect", "down"),
        ("down", "recovering"),
        ("recovering", "up"),
    ]
    assert {(row.kind, row.domain) for row in rows} == {("primary-state", NAME)}


def test_what_leads_nowhere_raises_none() -> None:
    assert told(Event.DRAINED) == []


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ((Event.FAULT,), "failed: it fault"),
        ((Event.FAILS,), "is down: it fails. Its mail is taken and can be read here; it is handed over by itself"),
        ((Event.FAILS, Event.ANSWERS), "What waited is being handed over"),
        ((Event.FAILS, Event.ANSWERS, Event.DRAINED), "is up"),
        ((Event.FAILS, Event.HOLD, Event.RELEASE), "is let go by root (it release). What waited is being handed over"),
        ((Event.HOLD,), f"Let it go with: xtramail domain release {NAME}"),
    ],
)
def test_the_words_of_a_step_say_what_is_true_and_what_to_do(events: tuple[Event, ...], words: str) -> None:
    row = told(*events)[-1]
    assert words in row.text and NAME in row.text


def test_programs_are_told_the_same_in_fields() -> None:
    (row,) = told(Event.FAILS)
    outage = row.fields.pop("outage")
    assert int(outage) == 1_767_225_600_000_000
    assert row.fields == {
        "from": "up",
        "to": "down",
        "cause": "it fails",
        "by": "root",
        "since": "2026-01-01T00:00:00Z",
    }
