"""When users logged in, for who wants to know who could work in an outage: kept cheaply.

A phone may log in every minute: for each service an account is written once an hour. What is to be written is collected
until somebody calls :meth:`LoginTimes.flush`, and goes in one commit.
"""

from __future__ import annotations

from functools import partial

from xtramail.model.clock import Clock
from xtramail.model.errors import XtramailError
from xtramail.store import keys, logins
from xtramail.store.engine import Engine
from xtramail.store.records import Account

EVERY = 3_600.0
"""Seconds between two writes of one account for one service."""


class LoginTimes:
    """``seen`` is called from ``login.Login`` for each good login."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._written: dict[tuple[int, str], float] = {}
        """Account and service, and when (monotonic) it was handed over for writing."""
        self._fresh: dict[int, dict[str, float]] = {}

    def seen(self, account: Account, service: str) -> None:
        """Somebody logged in. Costs a look-up; writes nothing."""
        if account.kind == "relay":
            return
        now, key = self._clock.monotonic(), (account.id, service)
        last = self._written.get(key)
        if last is not None and now - last < EVERY:
            return
        self._written[key] = now
        self._fresh.setdefault(account.id, {})[service] = self._clock.now()

    def anew(self) -> None:
        """An outage begins: who logs in from now on is written, however short ago that was done last."""
        self._written.clear()

    async def flush(self) -> None:
        """Write what was collected. What cannot be written is kept for the next time, and the error passes through."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        # Who was not here for an hour is written anyway when he comes again.
        since = self._clock.monotonic() - EVERY
        self._written = {key: at for key, at in self._written.items() if at > since}
        try:
            await self._engine.transact(keys.LOGINS, partial(logins.note, seen=fresh))
        except XtramailError:
            for account_id, services in fresh.items():
                self._fresh[account_id] = {**services, **self._fresh.get(account_id, {})}
            raise
