"""Rounds of work: one at a time, by the clock and when asked, and on after a fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from xtramail.model.pending import Pending
from xtramail.net.rounds import Rounds


class Work:
    def __init__(self) -> None:
        self.clock = Clock()
        self.begun = 0
        self.faults: list[str] = []
        self.step: Pending[None] | None = None
        self.rounds = Rounds(
            self.clock, work=self._work, every=10.0, fault=lambda error: self.faults.append(str(error))
        )

    async def _work(self) -> None:
        self.begun += 1
        if self.step is not None:
            await self.step


@pytest.fixture
def work() -> Iterator[Work]:
    one = Work()
    yield one
    if one.rounds.running:
        one.rounds.stopService()
    assert not one.clock.getDelayedCalls()


def test_a_round_comes_at_once_and_with_each_interval(work: Work) -> None:
    work.rounds.startService()
    assert work.begun == 1
    work.clock.pump([5.0, 5.0, 10.0])
    assert work.begun == 3


def test_asked_for_often_while_one_is_under_way_it_is_one_more(work: Work) -> None:
    work.step = Pending()
    work.rounds.startService()
    for _ in range(5):
        work.rounds.ask()
        work.clock.advance(1)
    assert work.begun == 1, "never two at a time"
    step, work.step = work.step, None
    step.settle(None)
    work.clock.advance(0)
    assert work.begun == 2


def test_after_a_fault_the_next_one_comes_with_its_interval(work: Work) -> None:
    work.step = Pending.failed(ValueError("full"))
    work.rounds.startService()
    work.clock.advance(10)
    assert (work.begun, work.faults) == (2, ["full", "full"])


def test_who_is_stopped_begins_nothing(work: Work) -> None:
    work.step = Pending()
    work.rounds.startService()
    work.rounds.stopService()
    work.rounds.ask()
    work.clock.advance(60)
    assert (work.begun, work.faults) == (1, [])
