"""The timers of all connections of a service behind one of the reactor's.

A connection sets four or five while it lives and hears of none, mostly. With Twisted's own, each is an object of many
fields in a heap that compares by calls of Python. Here a heap of numbers keeps them in order, and the reactor is asked
for the next one only.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Any

from xtramail.telemetry import maillog

_FEW = 64
"""Cancelled ones that do not matter; beyond, they go when they are most of all."""


class Timer:
    """One call to come; as much of IDelayedCall as is needed."""

    __slots__ = ("_at", "_function", "_timers")

    def __init__(self, timers: Timers, at: float, function: Callable[[], None]) -> None:
        self._timers = timers
        self._at = at
        self._function: Callable[[], None] | None = function

    def getTime(self) -> float:
        """When it is due, as the reactor tells time."""
        return self._at

    def active(self) -> bool:
        return self._function is not None

    def cancel(self) -> None:
        """Never after it was called."""
        if self._function is not None:
            self._function = None
            self._timers.cancelled()

    def take(self) -> Callable[[], None] | None:
        """Its function, once; None when it was cancelled."""
        function, self._function = self._function, None
        return function


class Timers:
    """Give it to a ``Deadline`` in the reactor's place."""

    def __init__(self, reactor: Any) -> None:
        """``reactor`` tells time (IReactorTime; zope interfaces are no types)."""
        self._reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        """Of those in the heap."""
        self._call: Any = None
        self._due = inf
        """When the reactor calls."""

    def callLater(self, seconds: float, function: Callable[[], None]) -> Timer:
        """As IReactorTime's; those that are due at the same time come in the order in which they were set."""
        at = self.seconds() + seconds
        timer = Timer(self, at, function)
        heappush(self._heap, (at, next(self._order), timer))
        if at < self._due:
            self._wait_until(at)
        return timer

    def cancelled(self) -> None:
        """One of them was; it stays in the heap until its time, or until they are most of it."""
        self._cancelled += 1
        left = len(self._heap) - self._cancelled
        if not left:
            self._heap.clear()
            self._cancelled = 0
            self._stop()
        elif self._cancelled > _FEW and self._cancelled > left:
            self._heap = [entry for entry in self._heap if entry[2].active()]
            heapify(self._heap)
            self._cancelled = 0

    def _wait_until(self, at: float) -> None:
        self._stop()
        self._due = at
        self._call = self._reactor.callLater(max(at - self.seconds(), 0.0), self._ring)

    def _stop(self) -> None:
        call, self._call, self._due = self._call, None, inf
        if call is not None:
            call.cancel()

    def _ring(self) -> None:
        self._call = None
        now = self.seconds()
        # Until all have been called nothing asks the reactor; what they set is seen to behind the loop.
        self._due = -inf
        while self._heap and self._heap[0][0] <= now:
            function = heappop(self._heap)[2].take()
            if function is None:
                self._cancelled -= 1
                continue
            try:
                function()
            except Exception:
                maillog.bug(where="timer")
        self._due = inf
        if self._heap:
            self._wait_until(self._heap[0][0])
