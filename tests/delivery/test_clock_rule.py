"""Expiry never trusts one look at the clock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.delivery.clock_rule import (
    DAYS_KEPT,
    DAYS_PER_DAY,
    ClockState,
    Look,
    after_drop,
    after_look,
    allowed_days,
    confirmed,
    younger_days,
)
from xtramail.model.clock import day_of

HOUR = 3_600.0
DAY = 86_400.0


def look(wall: float, monotonic: float, run: str = "a") -> Look:
    return Look(wall=wall, monotonic=monotonic, run=run)


def steady(state: ClockState, hours: int, wall: float, monotonic: float, run: str = "a") -> ClockState:
    for hour in range(1, hours + 1):
        state = after_look(state, look(wall + hour * HOUR, monotonic + hour * HOUR, run))
    return state


def test_many_small_jumps_ahead_pause_like_a_big_one() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    for jump in range(1, 4):
        state = after_look(state, look(1e9 + jump * 10 * HOUR, 60.0 * jump))
    assert state.paused


def test_the_first_look_is_believed() -> None:
    assert not after_look(ClockState(), look(1e9, 5.0)).paused


def test_time_that_passes_on_both_clocks_does_not_pause() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    assert not steady(state, 100, 1e9, 0.0).paused


def test_a_jump_ahead_of_more_than_a_day_pauses_and_says_what_to_do() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    state = after_look(state, look(1e9 + 40 * DAY, 60.0))
    assert "ahead by 40.0 days" in state.paused
    assert "expire --confirm" in state.paused


def test_a_clock_set_back_pauses() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    assert "back by 2.0 days" in after_look(state, look(1e9 - 2 * DAY, 60.0)).paused


def test_a_clock_set_back_between_two_runs_pauses() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    assert "back by 2.0 days since the server last ran" in after_look(state, look(1e9 - 2 * DAY, 5.0, "b")).paused


NOON = 1_795_000_000.0
"""A right time."""


def days_shown(state: ClockState) -> list[tuple[int, int]]:
    return [(day - day_of(NOON), true - day_of(NOON)) for day, true in younger_days(state).items()]


def test_a_day_that_a_clock_showed_that_was_behind_is_as_young_as_it_was() -> None:
    state = after_look(ClockState(), look(NOON, 0.0))
    state = after_look(state, look(NOON - 400 * DAY, 60.0))
    state = steady(state, 30, NOON - 400 * DAY, 60.0)
    state = after_look(state, look(NOON + 31 * HOUR, 60.0 + 31 * HOUR))
    assert days_shown(state) == [(-400, 0), (-399, 1)]
    assert days_shown(confirmed(state)) == [(-400, 0), (-399, 1)], "right now does not make it right then"


def test_it_is_so_when_the_clock_was_set_right_between_two_runs() -> None:
    state = after_look(ClockState(), look(NOON, 0.0))
    state = after_look(state, look(NOON - 400 * DAY, 10.0, "b"))
    state = after_look(state, look(NOON + HOUR, 5.0, "c"))
    assert [shown for shown, true in days_shown(state) if true == 0] == [-400]


def test_a_clock_that_was_ahead_makes_no_day_older() -> None:
    state = after_look(ClockState(), look(NOON, 0.0))
    state = after_look(state, look(NOON + 400 * DAY, 60.0))
    state = after_look(state, look(NOON, 120.0))
    assert days_shown(state) == []


def test_days_of_a_server_that_was_off_are_what_they_were() -> None:
    state = after_look(ClockState(), look(NOON, 0.0))
    state = after_look(state, look(NOON + 40 * DAY, 0.0, "b"))
    assert days_shown(state) == []


def test_no_more_days_are_remembered_than_a_clock_may_be_wrong() -> None:
    state = steady(after_look(ClockState(), look(NOON, 0.0)), 24 * 2 * DAYS_KEPT, NOON, 0.0)
    assert len(state.days) == DAYS_KEPT and state.days[-1][0] - state.days[0][0] == DAYS_KEPT - 1


def test_a_pause_ends_after_a_day_of_agreement_and_not_before() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    state = after_look(state, look(1e9 + 40 * DAY, 60.0))
    almost = steady(state, 23, 1e9 + 40 * DAY, 60.0)
    assert almost.paused
    assert not steady(state, 24, 1e9 + 40 * DAY, 60.0).paused


def test_a_second_jump_starts_the_agreement_anew() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    state = after_look(state, look(1e9 + 40 * DAY, 60.0))
    state = steady(state, 20, 1e9 + 40 * DAY, 60.0)
    state = after_look(state, look(1e9 + 80 * DAY, 60.0 + 21 * HOUR))
    assert steady(state, 20, 1e9 + 80 * DAY, 60.0 + 21 * HOUR).paused


def test_confirmation_ends_a_pause_at_once() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    assert not confirmed(after_look(state, look(1e9 + 40 * DAY, 60.0))).paused


def test_a_short_stop_of_the_server_does_not_pause() -> None:
    state = after_look(ClockState(), look(1e9, 500.0, "a"))
    assert not after_look(state, look(1e9 + 3 * HOUR, 1.0, "b")).paused


def test_a_long_stop_of_the_server_is_asked_about() -> None:
    state = after_look(ClockState(), look(1e9, 500.0, "a"))
    assert "since the server last ran" in after_look(state, look(1e9 + 3 * DAY, 1.0, "b")).paused


def test_unconfirmed_catching_up_takes_two_days_of_mail_a_day() -> None:
    state = after_look(ClockState(), look(1e9, 0.0))
    days = [100, 101, 102, 103]
    assert allowed_days(state, days) == [100, 101]
    for day in (100, 101):
        state = after_drop(state, day)
    assert allowed_days(state, [102, 103]) == []
    state = steady(state, 25, 1e9, 0.0)
    assert allowed_days(state, [102, 103]) == [102, 103]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(steps=st.lists(st.tuples(st.floats(-60 * DAY, 60 * DAY), st.floats(1.0, 2 * HOUR)), max_size=40))
def test_no_clock_takes_more_than_two_days_of_mail_in_a_real_day_and_a_jump(
    steps: list[tuple[float, float]],
) -> None:
    wall, monotonic = 2e9, 0.0
    state = after_look(ClockState(), look(wall, monotonic))
    drops: list[float] = []
    next_day = 0
    for jump, passed in steps:
        wall += jump + passed
        monotonic += passed
        state = after_look(state, look(wall, monotonic))
        for day in allowed_days(state, [next_day, next_day + 1, next_day + 2]):
            state = after_drop(state, day)
            drops.append(monotonic)
            next_day = day + 1
    # Jumps that add up to less than a day are believed, so they may move the window once a day; never more.
    assert len(drops) <= DAYS_PER_DAY * (2 * monotonic / DAY + 3)
