"""Says of the same thing once in a while that it happens: who repeats it must not fill the disk with our log."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import monotonic

EVERY = 60.0
"""Seconds between two lines about the same."""
MOST = 1_000
"""Things that are told apart at a time; what comes beyond is one thing."""


class Sparse:
    def __init__(self, *, every: float = EVERY, clock: Callable[[], float] = monotonic) -> None:
        """``clock`` in seconds."""
        self._every = every
        self._clock = clock
        self._said: dict[Hashable, tuple[float, int]] = {}
        """When it was said last, and how often it has happened since."""

    def due(self, what: Hashable) -> int | None:
        """It happened: None when it is not to be said now, else how often it had happened unsaid before."""
        now = self._clock()
        if what not in self._said and len(self._said) >= MOST:
            # A count that nobody came back for is not worth more memory.
            self._said = {one: row for one, row in self._said.items() if now - row[0] < self._every}
            if len(self._said) >= MOST:
                what = None
        at, unsaid = self._said.get(what, (-self._every, 0))
        if now - at < self._every:
            self._said[what] = at, unsaid + 1
            return None
        self._said[what] = now, 0
        return unsaid
