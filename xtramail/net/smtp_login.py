"""Logins on the submission ports: what becomes of one attempt.

The exchange itself is ``wire/sasl``'s, the verdict is ``directory/login``'s, how late it is told ``login_delays``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from xtramail.model.errors import BadCredentials, LoginBusy, Unavailable
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.net.login_delays import LoginDelays
from xtramail.net.password_check import PasswordCheck
from xtramail.store.records import Account
from xtramail.wire.smtp.events import Auth

BAD_LOGIN = Reply.of(535, "5.7.8", BadCredentials().text)
LOGIN_BUSY = Reply.of(454, "4.7.0", LoginBusy().text)
LOGGED_IN = Reply.of(235, "2.7.0", "authenticated")
LOGGED_OUT = Reply.of(421, "4.7.0", "this login is no longer valid")


async def attempt(
    login: PasswordCheck, event: Auth, peer: Peer, delays: LoginDelays, seconds: Callable[[], float]
) -> Account | tuple[Reply, float]:
    """The account; or 535 for whatever is wrong (one text for all of it), or 454 when it could not be checked, and in
    how many seconds to say so. ``seconds()``: the time."""
    began = seconds()
    try:
        return await login.password(event.authcid, event.password, peer=peer, service="submission")
    except BadCredentials as error:
        return BAD_LOGIN, delays.refused(error, spent=seconds() - began)
    except Unavailable:
        return LOGIN_BUSY, delays.unchecked(spent=seconds() - began)
