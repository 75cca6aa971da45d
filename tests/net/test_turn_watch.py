"""Slow turns of the reactor: counted, told, and with what ran in them."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from xtramail.net.turn_watch import TurnWatch, functions_of
from xtramail.net.turns import TurnReactor
from xtramail.telemetry.log import collecting


@pytest.fixture
def turns() -> Iterator[Any]:
    reactor: Any = TurnReactor()
    yield reactor
    reactor.removeAll()
    reactor.waker.connectionLost(None)


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """The log's lines."""
    lines: list[dict[str, Any]] = []
    publisher: Any = globalLogPublisher
    observer = collecting(lines)
    publisher.addObserver(observer)
    yield lines
    publisher.removeObserver(observer)


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def watching(turns: Any, slow: Callable[[float], None], now: Now) -> TurnWatch:
    """Wired as at the start, without the thread: the tests look themselves."""
    watch = TurnWatch(turns, slow=slow, clock=now)
    watch.attach(turns)
    return watch


def test_a_slow_turn_is_counted_and_only_a_long_one_is_told(turns: Any, told: list[dict[str, Any]]) -> None:
    counted: list[float] = []
    watching(turns, counted.append, Now())
    turns.slow(5.0, 0.03, 0.02)
    assert (counted, told) == ([0.03], [])
    turns.slow(6.0, 0.2, 0.15)
    assert counted == [0.03, 0.2]
    (line,) = told
    assert (line["event"], line["level"]) == ("turn-slow", "warning")
    assert (line["ms"], line["working_ms"], line["ran"]) == (200, 150, "")


def test_nothing_is_told_of_the_turn_in_which_everything_closes(turns: Any, told: list[dict[str, Any]]) -> None:
    counted: list[float] = []
    watch = watching(turns, counted.append, Now())
    watch.stopService()
    turns.slow(6.0, 0.2, 0.15)
    assert (counted, told) == ([], [])


def test_the_line_names_what_was_seen_in_that_turn(turns: Any, told: list[dict[str, Any]]) -> None:
    now = Now()
    watch = watching(turns, lambda _seconds: None, now)
    turns.turn_began, now.seconds = 5.0, 5.06
    # As from the thread that looks; the turn is this thread's.
    looker = threading.Thread(target=watch.look)
    looker.start()
    looker.join()
    turns.slow(5.0, 0.2, 0.2)
    turns.slow(5.2, 0.2, 0.2)
    assert "threading.py" in told[0]["ran"]
    assert told[1]["ran"] == "", "another turn's functions"


def test_a_young_turn_and_a_waiting_reactor_are_left_alone(turns: Any, told: list[dict[str, Any]]) -> None:
    now = Now()
    watch = watching(turns, lambda _seconds: None, now)
    now.seconds = 5.0
    watch.look()
    turns.turn_began = 4.99
    watch.look()
    turns.slow(4.99, 0.2, 0.2)
    assert told[0]["ran"] == ""


def test_functions_are_named_without_values(turns: Any) -> None:
    seen: list[str] = []
    watching(turns, lambda _seconds: seen.append(functions_of(threading.get_ident())), Now())
    turns.slow(0.0, 0.01, 0.0)
    assert re.fullmatch(r"turn_watch\.py:\d+ _frames < .*", seen[0].replace("net/", "", 1)), seen
    assert re.search(r" < net/turn_watch\.py:\d+ _told$", seen[0]), seen


def test_another_threads_functions_are_named_while_it_goes_on() -> None:
    """Whatever it is at just then."""
    over, rounds = threading.Event(), list[int]()

    def busy(deep: int) -> int:
        return busy(deep - 1) if deep else sum(one * one for one in range(50))

    def run() -> None:
        while not over.is_set():
            busy(20)
            rounds.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    while len(rounds) < 10:
        # Its first functions are those of its beginning.
        time.sleep(0.001)
    try:
        seen = {functions_of(thread.ident or 0).split(" ")[-1] for _ in range(300)}
    finally:
        over.set()
        thread.join()
    assert seen <= {"busy", "run", "<genexpr>", "is_set", ""}, seen
    assert seen & {"busy", "<genexpr>"}


def test_a_thread_that_is_over_and_no_file_to_spare_name_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert functions_of(thread.ident or 0) == ""

    def refused(_name: str) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refused)
    assert functions_of(threading.get_ident()) == ""


def test_another_reactor_is_not_watched() -> None:
    watch = TurnWatch(object(), slow=lambda _seconds: None)
    before = set(threading.enumerate())
    watch.startService()
    assert set(threading.enumerate()) <= before
    watch.look()
    watch.stopService()


def test_the_thread_ends_with_the_service(turns: Any) -> None:
    watch = TurnWatch(turns, slow=lambda _seconds: None)
    before = set(threading.enumerate())
    watch.startService()
    (thread,) = set(threading.enumerate()) - before
    watch.stopService()
    thread.join(10)
    assert not thread.is_alive()


def resting(watch: TurnWatch, turns: Any) -> threading.Thread:
    """Waits until the thread that looks has nothing to look at."""
    looker = threading.Thread(target=watch.rest, args=(turns,), daemon=True)
    looker.start()
    while turns.begun is None:
        time.sleep(0.001)
    return looker


def test_nobody_looks_at_a_reactor_that_waits_until_its_next_turn(turns: Any) -> None:
    looker = resting(watching(turns, lambda _seconds: None, Now()), turns)
    looker.join(0.05)
    assert looker.is_alive()
    turns.doPoll(0.0)
    looker.join(30)
    assert not looker.is_alive()
    assert turns.begun is None, "later turns have nobody to wake"


def test_a_turn_that_began_meanwhile_is_not_slept_through(turns: Any) -> None:
    watch = watching(turns, lambda _seconds: None, Now())
    turns.turn_began = 5.0
    watch.rest(turns)


def test_a_watch_that_rests_ends_when_it_is_stopped(turns: Any) -> None:
    watch = watching(turns, lambda _seconds: None, Now())
    looker = resting(watch, turns)
    watch.stopService()
    looker.join(30)
    assert not looker.is_alive()
    watch.rest(turns)
