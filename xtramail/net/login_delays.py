"""How late a refused login is answered. One for each connection of IMAP, POP3 and submission.

What the connection's neighbours did is counted by ``directory/guard``, and comes with the refusal.
"""

from __future__ import annotations

from xtramail.directory.guard import growing_delay
from xtramail.model.errors import BadCredentials


class LoginDelays:
    """After 1, 2, 4, 8, 8... seconds, by the connection's own refusals or by its address block's, whichever is later.

    From the attempt on: how long the password was looked at is not to be seen.
    """

    __slots__ = ("_least", "refusals")

    def __init__(self, least: float) -> None:
        """``least`` seconds for every failure, so that time does not tell one from another."""
        self._least = least
        self.refusals = 0

    def refused(self, error: BadCredentials, *, spent: float) -> float:
        """Seconds to wait before one more refusal is sent, ``spent`` seconds after the attempt came."""
        self.refusals += 1
        return max(self._least, growing_delay(self.refusals), error.delay, spent) - spent

    def unchecked(self, *, spent: float) -> float:
        """The same where nobody could look at the password: this counts for nothing."""
        return max(self._least, spent) - spent
