"""Many timers behind one of the reactor's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from xtramail.net.timers import Timer, Timers


@pytest.fixture
def failures() -> Iterator[list[str]]:
    """Errors that were logged, by the name of their type."""
    seen: list[str] = []

    def notice(event: Any) -> None:
        if "log_failure" in event:
            seen.append(event["log_failure"].type.__name__)

    publisher: Any = globalLogPublisher
    publisher.addObserver(notice)
    yield seen
    publisher.removeObserver(notice)


def test_each_is_called_at_its_time_and_the_reactor_knows_of_one() -> None:
    clock, told = Clock(), list[tuple[float, str]]()
    timers = Timers(clock)
    for seconds, name in ((30.0, "late"), (10.0, "early"), (20.0, "middle"), (20.0, "behind it")):
        timers.callLater(seconds, lambda name=name: told.append((clock.seconds(), name)))  # type: ignore[misc]
    assert len(clock.getDelayedCalls()) == 1
    for _ in range(40):
        clock.advance(1.0)
    assert told == [(10.0, "early"), (20.0, "middle"), (20.0, "behind it"), (30.0, "late")]
    assert clock.getDelayedCalls() == []


def test_one_that_is_cancelled_is_not_called_and_the_last_leaves_nothing_behind() -> None:
    clock, told = Clock(), list[str]()
    timers = Timers(clock)
    first, second = timers.callLater(5.0, lambda: told.append("first")), timers.callLater(6.0, lambda: None)
    first.cancel()
    first.cancel()
    assert not first.active() and second.active() and len(clock.getDelayedCalls()) == 1
    second.cancel()
    assert clock.getDelayedCalls() == []
    clock.advance(10.0)
    assert told == []


def test_what_is_set_while_timers_are_called_comes_at_its_own_time() -> None:
    clock, told = Clock(), list[float]()
    timers = Timers(clock)

    def again() -> None:
        told.append(clock.seconds())
        if len(told) < 3:
            timers.callLater(2.0, again)

    timers.callLater(1.0, again)
    for _ in range(10):
        clock.advance(1.0)
    assert told == [1.0, 3.0, 5.0]


def test_one_may_cancel_another_that_is_due_as_well() -> None:
    clock, told = Clock(), list[str]()
    timers = Timers(clock)
    others: list[Timer] = []
    timers.callLater(1.0, lambda: others[0].cancel())
    others.append(timers.callLater(1.0, lambda: told.append("other")))
    timers.callLater(1.0, lambda: told.append("last"))
    clock.advance(1.0)
    assert told == ["last"]
    assert clock.getDelayedCalls() == []


def test_a_bug_in_one_does_not_stop_the_others(failures: list[str]) -> None:
    clock, told = Clock(), list[str]()
    timers = Timers(clock)

    def bug() -> None:
        raise ValueError("a bug")

    timers.callLater(1.0, bug)
    timers.callLater(1.0, lambda: told.append("same time"))
    timers.callLater(2.0, lambda: told.append("later"))
    clock.advance(1.0)
    clock.advance(1.0)
    assert told == ["same time", "later"]
    assert failures == ["ValueError"]


def test_ten_thousand_that_were_cancelled_take_no_room() -> None:
    clock = Clock()
    timers = Timers(clock)
    kept = [timers.callLater(1_800.0, lambda: None) for _ in range(10)]
    for _ in range(10_000):
        timers.callLater(1_800.0, lambda: None).cancel()
    assert len(timers._heap) < 200
    assert all(one.active() for one in kept)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(0, 3)), max_size=40))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_they_are_called_as_by_the_reactor_itself(steps: list[tuple[int, bool, int]]) -> None:
    ours, theirs = Clock(), Clock()
    timers = Timers(ours)
    told: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    calls: list[tuple[Timer, Any]] = []
    for number, (seconds, cancels, passes) in enumerate(steps):
        calls.append(
            (
                timers.callLater(seconds, lambda n=number: told.append((ours.seconds(), n))),  # type: ignore[misc]
                theirs.callLater(seconds, lambda n=number: expected.append((theirs.seconds(), n))),
            )
        )
        if cancels:
            mine, other = calls[number // 2]
            mine.cancel()
            if other.active():
                other.cancel()
        for _ in range(passes):
            ours.advance(1.0)
            theirs.advance(1.0)
    for _ in range(25):
        ours.advance(1.0)
        theirs.advance(1.0)
    assert sorted(told) == sorted(expected)
    assert [at for at, _ in told] == [at for at, _ in expected]
    assert ours.getDelayedCalls() == []
