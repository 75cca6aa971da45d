"""When a deferred message is tried again: a documented timetable, with some chance in it.

Pure: the time and the chance are passed in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timetable:
    """``steps``: seconds after the first, second, ... attempt; the last repeats. ``jitter``: share of each, 0..1."""

    steps: tuple[float, ...]
    jitter: float = 0.2

    def next_attempt(self, *, attempts: int, now: float, chance: float) -> float:
        """Seconds since 1970 of the attempt that follows ``attempts`` (1 or more); ``chance`` lies in 0..1.

        Chance keeps the messages that failed together from coming back together.
        """
        step = self.steps[min(max(attempts, 1), len(self.steps)) - 1]
        return now + step * (1 + self.jitter * (2 * chance - 1))
