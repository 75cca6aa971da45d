"""What happens on an IMAP connection by itself: hints from the store, and signs of life in IDLE and long commands.

Owns when to look. What is told then is the dialogue's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xtramail.mailbox.answers.progress import EVERY_SECONDS
from xtramail.net.deadline import Deadline
from xtramail.net.soon import Soon

_NUDGE = 0.2
"""Seconds between what is told in IDLE on a compressed connection and a sign of life behind it. Thunderbird (153) takes
from what it inflated as much as its line buffer holds and then waits for the network, with the rest unread: now and
then a new message would be shown only minutes later. Whatever comes next makes it read on."""


class ImapWatch:
    """One connection's; :meth:`stop` leaves no timer behind."""

    def __init__(
        self, reactor: Any, timers: Any, *, look: Callable[[], None], reassure: Callable[[], None], every: float
    ) -> None:
        """``timers``: what a Deadline takes. ``look()`` once for each burst of hints, ``reassure()`` every so many
        seconds while the client idles, and once when a command takes its time."""
        self._every = every
        self._sign = Deadline(timers, reassure)
        self._coming = Soon(reactor, look)

    def hinted(self) -> None:
        """Commits come in groups: one look for all of them, and never in the middle of the engine's work."""
        self._coming.ask()

    def idling(self) -> None:
        """IDLE has begun."""
        self._sign.set_in(self._every)

    def working(self) -> None:
        """An answer is waited for."""
        self._sign.set_in(EVERY_SECONDS)

    def told_deflated(self) -> None:
        """Something was told in IDLE that the client may not have read to its end."""
        self._sign.set_in(_NUDGE)

    def stop(self) -> None:
        self._sign.stop()
        self._coming.stop()
