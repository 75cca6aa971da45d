"""Logins on the submission ports: what becomes of one attempt, and how late a failed one is answered.

The exchange itself is ``wire/sasl``'s, the verdict is ``directory/login``'s.
"""

from __future__ import annotations

from xtramail.model.errors import BadCredentials, LoginBusy, Unavailable
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.net.password_check import PasswordCheck
from xtramail.store.records import Account
from xtramail.wire.smtp.events import Auth

BAD_LOGIN = Reply.of(535, "5.7.8", BadCredentials().text)
LOGIN_BUSY = Reply.of(454, "4.7.0", LoginBusy().text)
LOGGED_IN = Reply.of(235, "2.7.0", "authenticated")
LOGGED_OUT = Reply.of(421, "4.7.0", "this login is no longer valid")
_LONGEST_DELAY = 8.0


async def attempt(login: PasswordCheck, event: Auth, peer: Peer) -> Account | Reply:
    """The account; or 535 for whatever is wrong (one text for all of it), or 454 when it could not be checked."""
    try:
        return await login.password(event.authcid, event.password, peer=peer, service="submission")
    except BadCredentials:
        return BAD_LOGIN
    except Unavailable:
        return LOGIN_BUSY


class LoginDelays:
    """Failed logins of one connection are answered after 1, 2, 4, 8, 8... seconds."""

    __slots__ = ("_failures", "_least")

    def __init__(self, least: float) -> None:
        """``least`` seconds for every refusal, so that time does not tell one from another."""
        self._failures = 0
        self._least = least

    def before(self, reply: Reply, *, spent: float) -> float:
        """Seconds to wait before ``reply`` is sent, ``spent`` seconds after the attempt came."""
        least = max(0.0, self._least - spent)
        if reply is not BAD_LOGIN:
            return least
        delay = min(2.0**self._failures, _LONGEST_DELAY)
        self._failures += 1
        return max(least, delay)
