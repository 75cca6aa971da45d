"""One clock for everything: wall and monotonic time, and every timer of the server, its primaries and its people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock as Timers

from xtramail.model.clock import SetClock

MOST_AT_ONCE = 20_000
"""Timers that fire without time passing: more is a loop that never ends."""


class Timeline(SetClock):
    """``model.clock.Clock`` whose time passes from timer to timer."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = Timers()

    def now(self) -> float:
        return self.wall + self.timers.seconds()

    def monotonic(self) -> float:
        return self.steady + self.timers.seconds()

    def advance(self, seconds: float) -> None:
        """Time passes, and everything that is due in it happens at its own moment."""
        end = self.timers.seconds() + seconds
        at_once, last = 0, -1.0
        while self.timers.calls and (due := self.timers.calls[0].getTime()) <= end:
            at_once = at_once + 1 if due == last else 0
            assert at_once < MOST_AT_ONCE, f"it goes round in circles: {self.timers.calls[:3]}"
            last = due
            self.timers.advance(max(0.0, due - self.timers.seconds()))
        self.timers.advance(max(0.0, end - self.timers.seconds()))

    def sleep(self, seconds: float) -> None:
        """The machine stands still, then finds everything overdue at once."""
        self.timers.advance(seconds)


class Reactor:
    """The timers of one life of the server: what a reactor is to it. They die with it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._calls: list[Any] = []

    def seconds(self) -> float:
        return self._timeline.timers.seconds()

    def callLater(self, delay: float, call: Callable[..., object], *args: Any, **kw: Any) -> Any:
        if len(self._calls) > 200:
            self._calls = [one for one in self._calls if one.active()]
        later = self._timeline.timers.callLater(delay, call, *args, **kw)
        self._calls.append(later)
        return later

    def die(self) -> None:
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()
