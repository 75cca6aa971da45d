"""How long a peer that errs or dawdles is borne with (RFC 5321 §7.8): counts, never a clock.

Owns the counters of one connection; the adapter does the waiting.
"""

from __future__ import annotations

from enum import Enum, auto

DELAY_SECONDS = 1.0


class Exhausted(Enum):
    ERRORS = auto()
    IDLE = auto()


class Patience:
    """``error`` and ``idle_command`` count up, ``progress`` forgets both."""

    __slots__ = ("_errors", "_errors_before_delay", "_errors_limit", "_idle", "_idle_limit")

    def __init__(self, *, errors_before_delay: int, errors_limit: int, idle_limit: int) -> None:
        self._errors_before_delay = errors_before_delay
        self._errors_limit = errors_limit
        self._idle_limit = idle_limit
        self._errors = 0
        self._idle = 0

    def error(self) -> float:
        """One more error: seconds to hold back its reply."""
        self._errors += 1
        return DELAY_SECONDS if self._errors > self._errors_before_delay else 0.0

    def idle_command(self) -> None:
        """A command that brings no mail nearer (NOOP, RSET, VRFY, EHLO ...)."""
        self._idle += 1

    def progress(self) -> None:
        """A message was accepted, or a login succeeded."""
        self._errors = 0
        self._idle = 0

    @property
    def exhausted(self) -> Exhausted | None:
        if self._errors >= self._errors_limit:
            return Exhausted.ERRORS
        return Exhausted.IDLE if self._idle > self._idle_limit else None
