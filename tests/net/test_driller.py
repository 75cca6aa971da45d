"""Drills and canaries are visited by the clock, each by itself, and go on after whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending
from xtramail.net.driller import AT_ONCE, Driller


class Scripted:
    """``Visits``: ``wanted`` are due; a visit waits for its ``answers``."""

    def __init__(self) -> None:
        self.wanted: list[int] = []
        self.answers: list[tuple[int, Pending[None]]] = []
        self.broken: Exception | None = None

    def due(self) -> list[int]:
        if self.broken is not None:
            raise self.broken
        return self.wanted

    async def visit(self, due: int) -> None:
        pending: Pending[None] = Pending()
        self.answers.append((due, pending))
        await pending


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.visits = Scripted()
        self.faults: list[BaseException] = []
        self.service = Driller(self.clock, visits=self.visits, fault=self.faults.append)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.service.startService()
    yield world
    if world.service.running:
        world.service.stopService()
    assert world.clock.getDelayedCalls() == []


def test_one_that_takes_long_is_visited_once_and_holds_up_nobody(world: World) -> None:
    world.visits.wanted = [1, 2]
    world.clock.advance(1)
    world.visits.answers[1][1].settle(None)
    world.clock.advance(1)
    assert [due for due, _ in world.visits.answers] == [1, 2, 2]


def test_so_many_at_a_time_and_no_more(world: World) -> None:
    world.visits.wanted = list(range(AT_ONCE + 5))
    world.clock.advance(1)
    assert len(world.visits.answers) == AT_ONCE


def test_what_fails_is_told_and_visited_again(world: World) -> None:
    world.visits.wanted = [1]
    world.clock.advance(1)
    world.visits.answers[0][1].fail(StoreFull("full"))
    world.visits.broken = StoreFull("unreadable")
    world.clock.advance(1)
    world.visits.broken = None
    world.clock.advance(1)
    assert len(world.faults) == 2 and len(world.visits.answers) == 2


def test_stopping_gives_up_what_is_under_way(world: World) -> None:
    world.visits.wanted = [1]
    world.clock.advance(1)
    world.service.stopService()
    assert world.faults == []
