"""Named moments at which a test may have this process killed, as a power cut would.

Owns the hook only; the code that must survive a crash says where it is by calling :func:`reach`. Without the
environment variable ``XTRAMAIL_CRASH_AT`` at the start of the process it does nothing.
"""

from __future__ import annotations

import os
import signal


class CrashPoint:
    """The one moment chosen at start: its name, and how many passes are left until it strikes."""

    __slots__ = ("_left", "_name")

    def __init__(self, setting: str) -> None:
        """``setting`` is ``name`` or ``name:n`` (strike at the n-th pass, 1 is the first); empty: never.

        ValueError when n is not a number from 1 on.
        """
        self._name, _, count = setting.partition(":")
        self._left = int(count) if count else 1
        if self._left < 1:
            raise ValueError(f"XTRAMAIL_CRASH_AT={setting}: the count starts at 1")

    def reach(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            # SIGKILL runs no handler and flushes no buffer: nothing can tidy up behind our back.
            os.kill(os.getpid(), signal.SIGKILL)


_CHOSEN = CrashPoint(os.environ.get("XTRAMAIL_CRASH_AT", ""))

reach = _CHOSEN.reach
"""``reach("writer.before-commit")``: this process is at that point now; it may not return."""
