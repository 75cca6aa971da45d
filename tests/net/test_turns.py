"""The reactor of the server's process, one turn at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from math import inf
from threading import Thread
from time import monotonic, perf_counter
from typing import Any

import pytest
from twisted.internet import reactor as installed
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.net.turns import SLOW, TurnReactor, the_reactor, turn_end_of


@pytest.fixture
def turns() -> Iterator[Any]:
    reactor: Any = TurnReactor()
    yield reactor
    reactor.removeAll()
    reactor.waker.connectionLost(None)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Errors that were logged, by the name of their type."""
    errors: list[str] = []

    def notice(event: Any) -> None:
        if "log_failure" in event:
            errors.append(event["log_failure"].type.__name__)

    publisher: Any = globalLogPublisher
    publisher.addObserver(notice)
    yield errors
    publisher.removeObserver(notice)


@implementer(IReadDescriptor)
class Readable:
    """A pipe with something in it."""

    def __init__(self, read: Callable[[], Any], lost: Callable[[], None] = lambda: None) -> None:
        self._read, self._lost = read, lost
        self.descriptor, self._end = os.pipe()
        os.write(self._end, b"x")
        self.reasons: list[Any] = []

    def fileno(self) -> int:
        return self.descriptor

    def logPrefix(self) -> str:
        return "readable"

    def doRead(self) -> Any:
        return self._read()

    def connectionLost(self, reason: Failure) -> None:
        self.reasons.append(reason.value)
        self._lost()

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self._end)


def test_timers_go_by_the_clock_that_nobody_sets(turns: Any) -> None:
    began = monotonic()
    call = turns.callLater(0, lambda: None)
    assert began <= call.getTime() <= turns.seconds() <= monotonic()
    call.cancel()


def test_what_is_put_off_comes_once_before_the_reactor_waits(turns: Any) -> None:
    told: list[str] = []
    turns.at_turn_end(lambda: told.append("first"))
    turns.at_turn_end(lambda: told.append("second"))
    assert told == []
    turns.doIteration(0)
    turns.doIteration(0)
    assert told == ["first", "second"]


def test_what_an_event_puts_off_comes_after_all_events_of_its_turn(turns: Any) -> None:
    told: list[str] = []

    def read() -> None:
        told.append("event")
        turns.at_turn_end(lambda: told.append("end"))

    pipes = [Readable(read), Readable(read)]
    for pipe in pipes:
        turns.addReader(pipe)
    turns.doIteration(0)
    assert told == ["event", "event"]
    turns.removeAll()
    turns.doIteration(0)
    assert told == ["event", "event", "end", "end"]
    for pipe in pipes:
        pipe.close()


def test_a_thread_wakes_a_reactor_that_waits(turns: Any) -> None:
    told: list[str] = []
    thread = Thread(target=lambda: turns.callFromThread(told.append, "called"))
    thread.start()
    turns.doIteration(30.0)
    thread.join()
    turns.runUntilCurrent()
    assert told == ["called"]


def test_many_wakings_are_one(turns: Any) -> None:
    for _ in range(100_000):
        turns.waker.wakeUp()
    while turns._poller.poll(0):
        turns.doIteration(0)


def test_a_bug_in_reading_ends_that_one(turns: Any) -> None:
    bug = KeyError("a bug")

    def read() -> None:
        raise bug

    pipe = Readable(read)
    turns.addReader(pipe)
    turns.doIteration(0)
    assert pipe.reasons == [bug]
    assert pipe not in turns.getReaders()
    pipe.close()


def test_a_bug_in_hearing_of_the_end_does_not_end_the_others(
    turns: Any, logged: list[str]
) -> None:
    told: list[str] = []

    def lost() -> None:
        raise ValueError("a bug")

    bad, good = Readable(lambda: OSError("gone"), lost), Readable(lambda: told.append("read"))
    turns.addReader(bad)
    turns.addReader(good)
    turns.doIteration(0)
    assert told == ["read"]
    assert logged == ["ValueError"]
    bad.close()
    turns.removeAll()
    good.close()


def test_what_was_closed_earlier_in_the_turn_is_left_alone(turns: Any) -> None:
    pipes: list[Readable] = []
    told: list[str] = []

    def read() -> None:
        told.append("read")
        for pipe in pipes:
            turns.removeReader(pipe)

    pipes += [Readable(read), Readable(read)]
    for pipe in pipes:
        turns.addReader(pipe)
    turns.doIteration(0)
    assert told == ["read"]
    for pipe in pipes:
        pipe.close()


def test_the_reactor_that_somebody_has_chosen_stays() -> None:
    assert the_reactor() is installed


def test_another_reactor_ends_its_turn_by_a_call_at_once(turns: Any) -> None:
    class Timed:
        def __init__(self) -> None:
            self.calls: list[tuple[float, Callable[[], None]]] = []

        def callLater(self, seconds: float, function: Callable[[], None]) -> None:
            self.calls.append((seconds, function))

    timed, told = Timed(), list[str]()
    turn_end_of(timed)(lambda: told.append("end"))
    assert [seconds for seconds, _ in timed.calls] == [0]
    timed.calls[0][1]()
    assert told == ["end"]
    assert turn_end_of(turns) == turns.at_turn_end


def test_a_slow_turn_is_told_at_its_end_with_what_was_work_of_it(turns: Any) -> None:
    told: list[tuple[float, float, float]] = []
    turns.slow = lambda *figures: told.append(figures)

    def work() -> None:
        until = perf_counter() + 0.05
        while perf_counter() < until:
            pass

    pipe = Readable(work)
    turns.addReader(pipe)
    turns.doIteration(0)
    turns.removeAll()
    assert told == [], "the turn is not over: calls that are due come yet"
    turns.doIteration(0)
    (began, seconds, working), = told
    assert 0.05 <= seconds <= perf_counter() - began
    # A machine that is busy gives this thread a part of its time only.
    assert 0 < working <= seconds + 0.02
    turns.doIteration(0)
    # The turn in between may have been slow as well, where others had the processor.
    assert [one for one, _, _ in told].count(began) == 1
    pipe.close()


def test_what_is_put_off_counts_as_part_of_its_turn(turns: Any) -> None:
    told: list[float] = []
    turns.slow = lambda _began, seconds, _working: told.append(seconds)
    turns.doIteration(0)

    def work() -> None:
        until = perf_counter() + SLOW + 0.001
        while perf_counter() < until:
            pass

    turns.at_turn_end(work)
    turns.doIteration(0)
    assert len(told) == 1


def test_waiting_is_no_turn(turns: Any) -> None:
    told: list[float] = []
    turns.slow = lambda _began, seconds, _working: told.append(seconds)
    turns.doIteration(0.3)
    assert turns.turn_began != inf
    turns.doIteration(0)
    assert all(one < 0.3 for one in told)
