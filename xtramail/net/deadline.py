"""A moment by which something must have happened, moved often and reached seldom.

Moving it forward costs one assignment: the reactor's timer is left where it is and looks again when it rings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Deadline:
    """Calls ``expired()`` once the moment set last has come; never after :meth:`clear`."""

    __slots__ = ("_at", "_call", "_expired", "_reactor")

    def __init__(self, reactor: Any, expired: Callable[[], None]) -> None:
        """``reactor`` tells time (IReactorTime, or ``timers.Timers``; zope interfaces are no types)."""
        self._reactor = reactor
        self._expired = expired
        self._at: float | None = None
        self._call: Any = None

    def set_in(self, seconds: float) -> None:
        """From now."""
        self._at = self._reactor.seconds() + seconds
        if self._call is not None and self._call.getTime() > self._at:
            self._call.cancel()
            self._call = None
        if self._call is None:
            self._call = self._reactor.callLater(seconds, self._ring)

    def clear(self) -> None:
        """There is none for now; the timer may still ring, without effect."""
        self._at = None

    def stop(self) -> None:
        """For good: leaves no timer behind."""
        self._at = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _ring(self) -> None:
        self._call = None
        if self._at is None:
            return
        left = self._at - self._reactor.seconds()
        if left > 0:
            self._call = self._reactor.callLater(left, self._ring)
            return
        self._at = None
        self._expired()
