"""Dispatch: which due entries are started now. Keeps count of what is under way; decides nothing about a message.

Each destination has at most so many attempts at a time. While its host does not answer, one entry goes on knocking by
the timetable and the others are parked, so that the outage of one customer neither uses up connections nor fills the
due list of the others; when it answers, all of them are due at once.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec

from xtramail.delivery.relay import Attempt
from xtramail.model.clock import Clock
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import QueueEntry

PARKED = 4_102_444_800.0
"""Due time (the year 2100) of an entry that waits for its destination, not for a moment."""
_SCAN = 256


class Dispatch:
    """``take`` gives ids to start; each is given back with ``done``."""

    def __init__(self, *, engine: Engine, clock: Clock, concurrency: int = 5, total: int = 100) -> None:
        self._engine = engine
        self._clock = clock
        self.concurrency = concurrency
        self._total = total
        self._under_way: dict[int, str] = {}
        self._busy: Counter[str] = Counter()
        self._silent: set[str] = set()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    async def begin(self) -> None:
        """At start nobody is known to be silent: what was parked is due again. Leases of a run that died are void."""
        now = self._clock.now()
        last = -1
        while ids := self._engine.read(keys.QUEUE, partial(_ids_after, last=last)):
            last = ids[-1]
            await self._engine.transact(keys.QUEUE, partial(_wake, ids=ids, now=now))

    async def take(self) -> list[int]:
        """Ids of entries to start now; each counts as under way until :meth:`done`."""
        now = self._clock.now()
        started: list[int] = []
        parked: dict[int, float] = {}
        for entry in self._engine.read(keys.QUEUE, lambda snap: _candidates(snap, now)):
            if entry.id in self._under_way:
                continue
            silent = entry.destination in self._silent
            if self._busy[entry.destination] >= (1 if silent else self.concurrency):
                if silent and now < entry.expires:
                    parked[entry.id] = min(entry.expires, PARKED)
                continue
            if len(self._under_way) >= self._total:
                break
            self._under_way[entry.id] = entry.destination
            self._busy[entry.destination] += 1
            started.append(entry.id)
        if parked:
            await self._engine.transact(keys.QUEUE, lambda txn: _park(txn, parked))
        return started

    async def done(self, entry_id: int, attempt: Attempt | None) -> None:
        """The attempt is over (None: it never came to one)."""
        destination = self._under_way.pop(entry_id, "")
        self._busy[destination] -= 1
        if self._busy[destination] <= 0:
            del self._busy[destination]
        if attempt is None:
            return
        if not attempt.reached:
            self._silent.add(destination)
        elif destination in self._silent:
            self._silent.discard(destination)
            now = self._clock.now()
            await self._engine.transact(keys.QUEUE, lambda txn: _reopen(txn, destination, now))


def _candidates(snap: Snapshot, now: float) -> list[QueueEntry]:
    entries = (outbound.entry(snap, entry_id) for entry_id in outbound.due(snap, now, _SCAN))
    return [entry for entry in entries if entry is not None]


def _ids_after(snap: Snapshot, last: int) -> list[int]:
    return [entry.id for entry in outbound.entries_after(snap, last, _SCAN)]


def _wake(txn: Txn, ids: list[int], now: float) -> None:
    for entry_id in ids:
        entry = outbound.entry(txn, entry_id)
        if entry is not None and (entry.lease_owner or entry.due >= min(entry.expires, PARKED)):
            due = min(entry.due, now)
            outbound.update(txn, msgspec.structs.replace(entry, due=due, lease_until=0.0, lease_owner=""))


def _reopen(txn: Txn, destination: str, now: float) -> None:
    # What the admin holds stays held, whatever its host says.
    if outbound.destination_closed(txn, destination) is None:
        outbound.wake_destination(txn, destination, now)


def _park(txn: Txn, parked: dict[int, float]) -> None:
    for entry_id, due in parked.items():
        entry = outbound.entry(txn, entry_id)
        if entry is not None and not entry.lease_owner:
            outbound.update(txn, msgspec.structs.replace(entry, due=due))
