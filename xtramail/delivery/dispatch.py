"""Dispatch: which due entries are started now. Keeps count of what is under way; decides nothing about a message.

Each destination has at most so many attempts at a time, and destinations take turns, so that ten thousand messages for
one host never stand before one for another. A destination whose host did not answer is silent: one entry at a time
knocks, every few seconds, and the rest stay where they are; when it answers, all of them are due at once. How it
stands with a primary is in the store (``model.primary``): nothing goes to one that is down or held, and one that is
just back is given what waits by a ``drain``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import partial

import msgspec

from xtramail.delivery.drain import Drain, Pace
from xtramail.delivery.relay import Attempt
from xtramail.delivery.signs import NOTHING
from xtramail.model.clock import Clock
from xtramail.model.errors import Corrupt
from xtramail.model.primary import Sign, State
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import Destination, QueueEntry

KNOCK = 15.0
"""Seconds between two attempts at a host that does not answer."""
REST = 30.0
"""Seconds before an entry is taken again on which the work itself failed: the store could not write, or its row is
damaged."""
_STEP = 256


@dataclass(frozen=True, slots=True)
class Taken:
    """``start``: ids to be tried. ``drained``: destinations all of whose waiting mail was tried since they are back."""

    start: tuple[int, ...]
    drained: tuple[str, ...] = ()


class Dispatch:
    """``take`` gives ids to work on; each is given back with ``done``."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        concurrency: int = 5,
        total: int = 100,
        knock: float = KNOCK,
        pace: Pace | None = None,
    ) -> None:
        """``concurrency`` attempts at one destination, ``total`` at all; ``knock`` in seconds; ``pace``: of a drain."""
        self._engine = engine
        self._clock = clock
        self.concurrency = concurrency
        self._total = total
        self.knock = knock
        self.pace = pace or Pace()
        self._drains: dict[str, Drain] = {}
        self._under_way: dict[int, str] = {}
        self._busy: Counter[str] = Counter()
        self._silent: dict[str, float] = {}
        """Destination, and when (monotonic) somebody may knock again."""
        self._resting: dict[int, float] = {}
        """Entry, and when (monotonic) it may be taken again."""
        self._served = ""

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def silent(self, destination: str) -> bool:
        """Whether its host did not answer when it was tried last."""
        return destination in self._silent

    async def begin(self) -> None:
        """At start: leases of a run that died are void."""
        now = self._clock.now()
        last = -1
        while ids := self._engine.read(keys.QUEUE, partial(_ids_after, last=last)):
            last = ids[-1]
            await self._engine.transact(keys.QUEUE, partial(_unlease, ids=ids, now=now))

    def take(self) -> Taken:
        """What to work on now; each entry counts as under way until :meth:`done`."""
        return self._engine.read(keys.QUEUE, self._take)

    def _take(self, snap: Snapshot) -> Taken:
        now, steady = self._clock.now(), self._clock.monotonic()
        self._resting = {entry_id: until for entry_id, until in self._resting.items() if until > steady}
        unusual = {row.name: row for row in outbound.unusual_destinations(snap)}
        self._drains = {name: self._drain(row) for name, row in unusual.items() if row.state == State.RECOVERING}
        started: list[int] = []
        for destination in self._in_turn({*outbound.due_destinations(snap, now), *self._drains}):
            drain = self._drains.get(destination)
            room = min(self._room(destination, drain), self._total - self._busy.total())
            if room <= 0 or (drain is None and destination in unusual):
                continue
            if drain is not None:
                taken = self._under_way.keys() | self._resting.keys()
                fresh = drain.take(snap, now=now, steady=steady, taken=taken, room=room)
            else:
                # Those under way may still stand in the index: their lease is not written yet.
                found = outbound.due(snap, destination, now, room + len(self._under_way) + len(self._resting))
                fresh = [one for one in found if one not in self._under_way and one not in self._resting][:room]
            self._under_way.update(dict.fromkeys(fresh, destination))
            self._busy[destination] += len(fresh)
            started.extend(fresh)
            self._served = destination
        drained = tuple(name for name, drain in self._drains.items() if drain.finished)
        return Taken(start=tuple(started), drained=drained)

    def _drain(self, row: Destination) -> Drain:
        """The drain that goes on, or one from the beginning when its primary came back once more."""
        going = self._drains.get(row.name)
        if going is not None and going.since == row.since:
            return going
        # Whatever was heard of it before: now it answers.
        self._silent.pop(row.name, None)
        return Drain(destination=row.name, since=row.since, pace=self.pace)

    def claim(self, entry_id: int) -> bool:
        """Take an entry that is to be given up without asking its host; False when it is being worked on."""
        if entry_id in self._under_way or entry_id in self._resting:
            return False
        self._under_way[entry_id] = ""
        return True

    def _in_turn(self, destinations: set[str]) -> list[str]:
        """The next one after the one served last comes first."""
        ordered = sorted(destinations)
        first = bisect_right(ordered, self._served)
        return ordered[first:] + ordered[:first]

    def _room(self, destination: str, drain: Drain | None) -> int:
        knock_at = self._silent.get(destination)
        if knock_at is None:
            return (self.concurrency if drain is None else drain.room) - self._busy[destination]
        return 1 if self._clock.monotonic() >= knock_at and not self._busy[destination] else 0

    def failed(self, entry_id: int) -> None:
        """Give it back, and not at once again."""
        self._resting[entry_id] = self._clock.monotonic() + REST
        drain = self._drains.get(self._give_back(entry_id))
        if drain is not None:
            self._drained_one(drain, entry_id, None)

    def _give_back(self, entry_id: int) -> str:
        destination = self._under_way.pop(entry_id, "")
        self._busy[destination] -= 1
        if self._busy[destination] <= 0:
            del self._busy[destination]
        return destination

    async def done(self, entry_id: int, attempt: Attempt | None) -> None:
        """The work on an entry is over; ``attempt`` is None when its host was not tried."""
        destination = self._give_back(entry_id)
        drain = self._drains.get(destination)
        if drain is not None:
            self._drained_one(drain, entry_id, attempt)
        # What was given up unasked (no destination), or went another way, tells nothing of the host.
        if attempt is None or attempt.aside or not destination:
            return
        if not attempt.reached:
            self._silent[destination] = self._clock.monotonic() + self.knock
        elif self._silent.pop(destination, None) is not None and drain is None:
            await self._wake(destination, entry_id)

    def _drained_one(self, drain: Drain, entry_id: int, attempt: Attempt | None) -> None:
        signs = NOTHING if attempt is None else attempt.signs
        drain.done(
            entry_id,
            None if attempt is None else attempt.entry,
            good=signs.sign is Sign.GOOD,
            throttled=signs.throttled,
            steady=self._clock.monotonic(),
        )

    async def _wake(self, destination: str, knocked: int) -> None:
        """Its host is back: what waits for a later attempt is due now, but for the entry that has just had its own."""
        now = self._clock.now()
        later = self._engine.read(keys.QUEUE, lambda snap: outbound.later(snap, destination, now))
        ids = [entry_id for entry_id in later if entry_id != knocked]
        for at in range(0, len(ids), _STEP):
            await self._engine.transact(keys.QUEUE, partial(_hurry, ids=ids[at : at + _STEP], now=now))


def _readable(snap: Snapshot, entry_id: int) -> QueueEntry | None:
    """The entry; None also when its octets are damaged (the engine reports it): one must not stop the others."""
    try:
        return outbound.entry(snap, entry_id)
    except Corrupt:
        return None


def _ids_after(snap: Snapshot, last: int) -> list[int]:
    return [entry.id for entry in outbound.entries_after(snap, last, _STEP)]


def _unlease(txn: Txn, ids: list[int], now: float) -> None:
    for entry_id in ids:
        entry = _readable(txn, entry_id)
        if entry is not None and entry.lease_owner:
            due = min(entry.due, now)
            outbound.update(txn, msgspec.structs.replace(entry, due=due, lease_until=0.0, lease_owner=""))


def _hurry(txn: Txn, ids: list[int], now: float) -> None:
    for entry_id in ids:
        entry = _readable(txn, entry_id)
        if entry is not None and not entry.held and not entry.lease_owner and entry.due > now:
            outbound.update(txn, msgspec.structs.replace(entry, due=now))
