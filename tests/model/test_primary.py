"""States of a primary: the table, and what follows from single signs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.primary import CLOSED, NEXT, OUTAGE, Event, Health, Hysteresis, Sign, State

NUMBERS = Hysteresis()


def seen(*signs: tuple[float, Sign, str]) -> list[Event | None]:
    health = Health()
    return [health.saw(sign, now=at, numbers=NUMBERS, recipient=who) for at, sign, who in signs]


def test_every_state_is_left_by_some_event_and_reached_by_another() -> None:
    assert set(NEXT) == set(State)
    assert {after for ways in NEXT.values() for after in ways.values()} == set(State)


def test_a_hold_is_possible_from_everywhere_and_only_a_release_ends_it() -> None:
    assert all(ways.get(Event.HOLD) is State.HELD for before, ways in NEXT.items() if before is not State.HELD)
    assert [event for event, after in NEXT[State.HELD].items() if after is not State.HELD] == [Event.RELEASE]
    assert CLOSED < OUTAGE


def test_one_fault_makes_it_suspect_and_three_within_a_minute_down() -> None:
    assert seen((0, Sign.FAULT, ""), (20, Sign.FAULT, ""), (40, Sign.FAULT, "")) == [
        Event.FAULT, Event.FAULT, Event.FAILS,
    ]  # fmt: skip


def test_faults_that_are_far_apart_do_not_add_up() -> None:
    assert seen((0, Sign.FAULT, ""), (31, Sign.FAULT, ""), (62, Sign.FAULT, "")) == [Event.FAULT] * 3


def test_three_good_answers_in_a_row_are_needed() -> None:
    good, bad = Sign.GOOD, Sign.FAULT
    assert seen((0, good, ""), (1, good, ""), (2, bad, ""), (3, good, ""), (4, good, ""), (5, good, "")) == [
        None, None, Event.FAULT, None, None, Event.ANSWERS,
    ]  # fmt: skip


def test_good_answers_between_faults_do_not_hide_a_flapping_primary() -> None:
    signs = [(float(at), Sign.FAULT if at % 2 else Sign.GOOD, "") for at in range(6)]
    assert seen(*signs)[-1] is Event.FAILS


def test_deferrals_of_one_recipient_are_no_fault() -> None:
    assert seen(*[(float(at), Sign.DEFERRAL, "ann@example.org") for at in range(10)]) == [None] * 10


def test_deferrals_of_three_recipients_are_one_fault() -> None:
    events = seen(*[(float(at), Sign.DEFERRAL, f"u{at}@example.org") for at in range(9)])
    assert events == [None, None, Event.FAULT, None, None, Event.FAULT, None, None, Event.FAILS]


def test_deferrals_that_are_far_apart_do_not_add_up() -> None:
    assert seen(*[(at * 40.0, Sign.DEFERRAL, f"u{at}@example.org") for at in range(9)]) == [None] * 9


def test_a_deferral_of_nobody_known_counts_for_nothing() -> None:
    assert seen(*[(float(at), Sign.DEFERRAL, "") for at in range(9)]) == [None] * 9


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.floats(0, 30), st.sampled_from(list(Sign)), st.sampled_from("abcd")), max_size=60),
    st.integers(1, 5),
)
def test_fails_means_that_many_faults_within_the_window(
    steps: list[tuple[float, Sign, str]], faults: int
) -> None:
    """Counted again in the plainest way; with deferrals each a fault of its own when one recipient is enough."""
    numbers = Hysteresis(window=60.0, faults=faults, goods=2, deferred=1)
    health, now, bad, goods = Health(), 0.0, [], 0
    for wait, sign, who in steps:
        now += wait
        event = health.saw(sign, now=now, numbers=numbers, recipient=who)
        if sign is Sign.GOOD:
            goods += 1
            assert event is (Event.ANSWERS if goods >= 2 else None)
            continue
        goods = 0
        bad.append(now)
        recent = [at for at in bad if at > now - 60.0]
        assert event is (Event.FAILS if len(recent) >= faults else Event.FAULT)
        assert len(health.faults) <= faults


@pytest.mark.parametrize("state", list(State))
def test_what_is_not_in_the_table_leads_nowhere(state: State) -> None:
    assert all(isinstance(event, Event) and isinstance(after, State) for event, after in NEXT[state].items())
    assert Event.FAULT not in NEXT[state] or state is State.UP
