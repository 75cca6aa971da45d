"""Slow turns of the reactor: counted, told, and with what ran in them."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
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
    watching(turns, lambda _seconds: seen.append(functions_of(sys._getframe())), Now())
    turns.slow(0.0, 0.01, 0.0)
    assert seen[0].startswith("test_turn_watch.py:")
    assert re.search(r"<lambda> < net/turn_watch\.py:\d+ TurnWatch\._told$", seen[0])


def test_a_frame_that_is_none_any_more_ends_no_look(
    turns: Any, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Now()
    watch = watching(turns, lambda _seconds: None, now)
    now.seconds = turns.turn_began = 5.0
    now.seconds += 0.1
    monkeypatch.setattr(sys, "_current_frames", lambda: {threading.get_ident(): SimpleNamespace(f_code=ValueError())})
    watch.look()
    turns.slow(5.0, 0.2, 0.2)
    assert told[0]["ran"] == ""


def test_another_reactor_is_not_watched() -> None:
    watch = TurnWatch(object(), slow=lambda _seconds: None)
    before = threading.active_count()
    watch.startService()
    assert threading.active_count() == before
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
