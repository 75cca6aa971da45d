"""Time, passed in: nobody below ``net`` asks the machine for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

EPOCH_DAY = datetime(2020, 1, 1, tzinfo=UTC)
EPOCH_SECONDS = int(EPOCH_DAY.timestamp())
DAY_SECONDS = 86_400
FIRST_SECOND = EPOCH_SECONDS + DAY_SECONDS
"""Day 1 begins, the first that mail can arrive on."""


class Clock(Protocol):
    """Wall clock, monotonic clock, and the clock of what one works, all in seconds."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""

    def worked(self) -> float:
        """Seconds of the processor that this thread has had: a bound on work must not be reached by waiting for it."""


class SystemClock:
    """The machine's own clocks. A wall clock that shows no day of ours was never set: it goes from the first one on."""

    def now(self) -> float:
        now = time.time()
        return now if now >= FIRST_SECOND else FIRST_SECOND + time.monotonic()

    def monotonic(self) -> float:
        return time.monotonic()

    def worked(self) -> float:
        return time.thread_time()


class SetClock:
    """A clock that moves only when told; for tests and simulations."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self.wall = now
        self.steady = 1_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def worked(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        """Time passes: both clocks move."""
        self.wall += seconds
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock: no time passes."""
        self.wall += seconds


def day_of(seconds: float) -> int:
    """UTC day number counted from 2020-01-01."""
    return int((seconds - EPOCH_SECONDS) // DAY_SECONDS)


def day_start(day: int) -> int:
    """First second (since 1970) of a day number."""
    return EPOCH_SECONDS + day * DAY_SECONDS


def utc_text(seconds: float) -> str:
    """``2026-01-01T00:00:00Z`` (RFC 3339), whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
