"""A slow walk leaves the server alone between its slices, and goes on whatever one of them came to."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.task import Clock

from xtramail.net.slow_walk import LEAST_PAUSE, SHARE, SlowWalk


class Walked:
    def __init__(self, slices: int = 3) -> None:
        self.clock = Clock()
        self.slices = slices
        self.takes = 0.0
        self.fault: Exception | None = None
        self.steps = 0
        self.ends = 0
        self.faults: list[BaseException] = []
        self.walk = SlowWalk(
            self.clock, begin=self.begin, every=60.0, ended=self.ended, fault=self.faults.append
        )
        self.walk.startService()

    def begin(self) -> Iterator[None]:
        for _ in range(self.slices):
            self.steps += 1
            self.clock.rightNow += self.takes
            if self.fault is not None:
                raise self.fault
            yield

    def ended(self) -> None:
        self.ends += 1


def test_it_begins_at_once_and_again_after_its_time() -> None:
    walked = Walked()
    walked.clock.pump([LEAST_PAUSE] * 5)
    assert (walked.steps, walked.ends) == (3, 1)
    walked.clock.advance(59)
    assert walked.steps == 3
    walked.clock.pump([1.0, *[LEAST_PAUSE] * 5])
    assert (walked.steps, walked.ends) == (6, 2)


def test_it_pauses_many_times_as_long_as_a_slice_took() -> None:
    walked = Walked()
    walked.takes = 0.02
    walked.clock.advance(0)
    walked.clock.advance(SHARE * 0.02 * 0.9)
    assert walked.steps == 1
    walked.clock.advance(SHARE * 0.02 * 0.2)
    assert walked.steps == 2


def test_a_slice_that_fails_is_told_and_the_next_pass_begins_anew() -> None:
    walked = Walked()
    walked.fault = OSError()
    walked.clock.advance(0)
    assert len(walked.faults) == 1 and walked.ends == 0
    walked.fault = None
    walked.clock.pump([60.0, *[LEAST_PAUSE] * 5])
    assert walked.ends == 1


def test_it_leaves_no_timer_behind() -> None:
    walked = Walked()
    walked.clock.advance(0)
    walked.walk.stopService()
    assert walked.clock.getDelayedCalls() == []
