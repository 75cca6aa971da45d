"""Goes through something long a slice at a time, again and again, while the server works.

Owns the time: when a pass begins, and how long the server is left alone between two slices. What a slice is, is the
walk's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.application.service import Service

SHARE = 9.0
"""Pause after a slice, in times of what it took: a walk takes a tenth of the processor at most."""
LEAST_PAUSE = 0.005


class SlowWalk(Service):
    """``begin`` gives a new walk for each pass; ``ended`` is called after it, ``fault`` when a slice failed."""

    def __init__(
        self,
        reactor: Any,
        *,
        begin: Callable[[], Iterator[None]],
        every: float,
        ended: Callable[[], None] = lambda: None,
        fault: Callable[[BaseException], None],
    ) -> None:
        """``every``: seconds between the end of a pass and the begin of the next one."""
        self._reactor = reactor
        self._begin = begin
        self._every = every
        self._ended = ended
        self._fault = fault
        self._walk: Iterator[None] | None = None
        self._next: Any = None

    def startService(self) -> None:
        """The first pass begins at once."""
        super().startService()  # type: ignore[no-untyped-call]
        self._next = self._reactor.callLater(0, self._slice)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._walk = None

    def _slice(self) -> None:
        self._next = None
        began = self._reactor.seconds()
        pause = self._every
        try:
            self._walk = self._walk or self._begin()
            if next(self._walk, self) is None:
                pause = max(LEAST_PAUSE, SHARE * (self._reactor.seconds() - began))
            else:
                self._walk = None
                self._ended()
        except Exception as error:
            self._walk = None
            self._fault(error)
        if self.running:
            self._next = self._reactor.callLater(pause, self._slice)
