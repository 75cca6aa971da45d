"""What happens by the clock goes on happening, whatever one round of it came to."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.task import Clock

from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending
from xtramail.net.housekeeping import EXPIRY_SECONDS, POLL_SECONDS, Housekeeping


class Polled:
    def __init__(self) -> None:
        self.polls = 0
        self.fault: Exception | None = None

    def poll(self) -> bool:
        self.polls += 1
        if self.fault is not None:
            raise self.fault
        return False


class Rounds:
    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.wait: Pending[None] | None = None
        self.fault: Exception | None = None
        self.jumps = 0
        self.looks = 0

    def jumped(self) -> bool:
        self.jumps -= 1
        return self.jumps >= 0

    async def look(self) -> None:
        self.looks += 1
        if self.fault is not None:
            raise self.fault

    def run(self) -> Coroutine[Any, Any, None]:
        return self._run()

    async def _run(self) -> None:
        self.begun += 1
        try:
            if self.wait is not None:
                await self.wait
            if self.fault is not None:
                raise self.fault
        finally:
            self.ended += 1


class Kept:
    def __init__(self) -> None:
        self.clock = Clock()
        self.engine, self.rounds = Polled(), Rounds()
        self.faults: list[BaseException] = []
        self.service = Housekeeping(
            self.clock,
            engine=self.engine,  # type: ignore[arg-type]
            retention=self.rounds,  # type: ignore[arg-type]
            fault=self.faults.append,
        )
        self.service.startService()

    def advance(self, seconds: float) -> None:
        self.clock.pump([POLL_SECONDS] * round(seconds / POLL_SECONDS))


def test_the_store_is_looked_at_four_times_a_second_and_expiry_each_minute() -> None:
    kept = Kept()
    kept.advance(2 * EXPIRY_SECONDS)
    assert kept.engine.polls == 1 + 2 * EXPIRY_SECONDS / POLL_SECONDS
    assert kept.rounds.begun == 3
    kept.service.stopService()
    kept.advance(200)
    assert kept.rounds.begun == 3 and kept.clock.getDelayedCalls() == []


def test_a_clock_that_was_set_is_looked_at_at_once() -> None:
    kept = Kept()
    kept.rounds.jumps = 1
    kept.advance(POLL_SECONDS)
    assert kept.rounds.looks == 1
    kept.rounds.jumps, kept.rounds.fault = 1, StoreFull()
    kept.advance(1)
    assert kept.rounds.looks == 2 and len(kept.faults) == 1


def test_a_look_that_fails_is_told_and_the_next_one_comes() -> None:
    kept = Kept()
    kept.engine.fault = OSError()
    kept.advance(1)
    kept.engine.fault = None
    before = kept.engine.polls
    kept.advance(1)
    assert len(kept.faults) == 4 and kept.engine.polls == before + 4


def test_a_round_that_fails_is_told_and_the_next_one_comes() -> None:
    kept = Kept()
    kept.rounds.fault = StoreFull()
    kept.advance(EXPIRY_SECONDS)
    kept.rounds.fault = None
    kept.advance(EXPIRY_SECONDS)
    assert len(kept.faults) == 1 and kept.rounds.begun == 3


def test_rounds_never_overlap() -> None:
    kept = Kept()
    kept.rounds.wait = Pending()
    kept.advance(EXPIRY_SECONDS)
    kept.advance(5 * EXPIRY_SECONDS)
    assert (kept.rounds.begun, kept.rounds.ended) == (2, 1)
    kept.rounds.wait.settle(None)
    kept.rounds.wait = None
    kept.advance(EXPIRY_SECONDS)
    assert kept.rounds.ended == kept.rounds.begun == 3


def test_stopping_ends_a_round_where_it_is_and_is_no_fault() -> None:
    kept = Kept()
    kept.rounds.wait = Pending()
    kept.advance(EXPIRY_SECONDS)
    kept.service.stopService()
    assert kept.rounds.ended == kept.rounds.begun == 2 and kept.faults == []
    kept.rounds.wait.settle(None)
