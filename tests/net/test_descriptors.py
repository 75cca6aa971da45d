"""Accepting stops at the last tenth of the descriptors, and goes on by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from xtramail.net.descriptors import LOOK_SECONDS, DescriptorReserve


class Port:
    connected = True
    reading = True

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


class Kept:
    def __init__(self) -> None:
        self.clock = Clock()
        self.port, self.closed = Port(), Port()
        self.told: list[str] = []
        # Numbers up to here are in use.
        self.used = [os.open(os.devnull, os.O_RDONLY)]
        self.reserve = DescriptorReserve(
            self.clock,
            paused=lambda limit: self.told.append("paused"),
            resumed=lambda: self.told.append("resumed"),
            limit=lambda: self.limit,
        )
        self.limit = self.used[0] + 3
        while self.used[-1] < self.limit:
            self.used.append(os.open(os.devnull, os.O_RDONLY))
        self.reserve.keep(self.port)
        self.reserve.keep(self.closed)

    def close(self) -> None:
        for one in self.used:
            os.close(one)


@pytest.fixture
def kept() -> Iterator[Kept]:
    one = Kept()
    yield one
    one.close()


def test_a_number_in_the_last_tenth_stops_all_ports_until_a_lower_one_is_free(kept: Kept) -> None:
    kept.reserve.accepted(kept.limit - 1)
    assert kept.port.reading and kept.told == []
    kept.reserve.accepted(kept.limit)
    kept.reserve.accepted(kept.limit + 1)
    assert not kept.port.reading and kept.told == ["paused"]
    kept.clock.pump([LOOK_SECONDS] * 4)
    assert not kept.port.reading and kept.told == ["paused"]
    kept.closed.connected = False
    os.close(kept.used.pop(0))
    kept.clock.advance(LOOK_SECONDS)
    assert kept.port.reading and not kept.closed.reading and kept.told == ["paused", "resumed"]
    assert kept.clock.getDelayedCalls() == []


def test_it_leaves_no_timer_behind(kept: Kept) -> None:
    kept.reserve.accepted(kept.limit)
    kept.reserve.stop()
    assert kept.clock.getDelayedCalls() == []
