"""The review: writes down what is settled for an entry on lease without asking its host.

Fates, queue entry, log and alert are one commit, with a look at the mailboxes in it. What is settled is ``turn``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from xtramail.delivery import attempt_rows as rows
from xtramail.delivery.attempt import Attempt, LeaseLost, Notices
from xtramail.delivery.suppression import CopyReturned
from xtramail.delivery.turn import Look, Turn
from xtramail.model.clock import Clock
from xtramail.model.errors import Corrupt
from xtramail.model.ids import IdSource
from xtramail.model.outcome import Fate
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import QueueEntry
from xtramail.telemetry.crashpoint import reach


class Review:
    """Each method gives the entry as it is then, still on lease; None when nobody is left in it to hand over to, or the
    lease was lost. StoreFull and StoreFault when it cannot be written: nothing was settled then.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        turn: Turn,
        notices: Notices,
        clock: Clock,
        ids: IdSource,
        log: Callable[[Attempt], None],
    ) -> None:
        self._engine = engine
        self._turn = turn
        self._notices = notices
        self._clock = clock
        self._ids = ids
        self._log = log

    async def before(self, leased: QueueEntry) -> QueueEntry | None:
        """Before its host is asked."""
        return await self._settled(leased, self._turn.look)

    async def at_end(self, leased: QueueEntry) -> QueueEntry | None:
        """Before it is given up."""
        return await self._settled(leased, self._turn.at_end)

    async def withdraw(self, leased: QueueEntry, reason: str) -> QueueEntry | None:
        """In place of handing it over."""
        return await self._settled(leased, partial(self._turn.withdrawn, reason=reason))

    async def _settled(
        self, leased: QueueEntry, looks: Callable[[QueueEntry, float], Coroutine[Any, Any, Look]]
    ) -> QueueEntry | None:
        while True:
            now = self._clock.now()
            try:
                look = await looks(leased, now)
            except Corrupt:
                # Damaged rows settle nothing, and must not keep mail from going on.
                return leased
            if not look:
                return leased
            try:
                return await self._write(leased, look, now)
            except CopyReturned:
                # A user was quicker; what is there now decides.
                continue
            except LeaseLost:
                return None

    async def _write(self, leased: QueueEntry, look: Look, now: float) -> QueueEntry | None:
        fresh = self._ids.next()
        planned = rows.decided(leased, look.decided)
        changed = {one.address for one in rows.changed(leased, planned)} | look.parked.keys()
        shown = tuple(one for one in planned.recipients if one.address in changed)
        found = [one for one in shown if one.fate == Fate.DELIVERED]
        events = tuple(rows.events(planned, shown, look.parked, now, None))

        def write(txn: Txn) -> QueueEntry:
            current = outbound.entry(txn, leased.id)
            if current is None or current.lease_owner != leased.lease_owner:
                raise LeaseLost
            after = rows.decided(current, look.decided)
            rows.write_fates(txn, current, after.recipients, now)
            return rows.put(txn, after, look.parked, fresh)

        notices = await self._notices.parts(planned, found, now) if found else []
        reach("relay.before-review")
        results = await self._engine.transact_all(
            [
                *look.parts,
                (keys.QUEUE, write),
                (keys.LOG, lambda txn: rows.tell(txn, events, now)),
                *rows.alarm(rows.UNCONFIRMED, planned, look.parked, now),
                *notices,
            ]
        )
        reach("relay.after-review")
        self._log(Attempt(entry=planned, changed=shown, host="", tls="", reached=False, parked=look.parked))
        left: QueueEntry = results[len(look.parts)]
        return left if outbound.is_open(left) and left.lease_owner else None
