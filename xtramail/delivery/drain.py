"""The drain: in which order, and how many at a time, mail goes to a primary that is just back.

The oldest first, but users in turns, so that one of them with ten thousand messages does not stand before the others;
and what arrives meanwhile has a place beside what waited. Few connections at first, more while it goes well, fewer at
once when the primary wants less. Memory is bounded whatever waits: a window of the queue, not the queue.

Owns neither leases nor time: a look at the queue and the moment are passed in.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass

from xtramail.model.errors import Corrupt
from xtramail.store import outbound
from xtramail.store.engine import Snapshot
from xtramail.store.records import QueueEntry
from xtramail.telemetry.crashpoint import reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``levels`` of connections at a time; up a level after ``steps`` good deliveries for each connection of it."""

    levels: tuple[int, ...] = (1, 2, 5, 10)
    steps: int = 5
    rest: float = 30.0
    """Seconds without a new attempt after the primary wanted less."""


WINDOW = 256
"""Entries of the queue that are in memory at a time."""
MOST_RETRIES = 1_000
"""Deferred entries whose next attempt is remembered; more than that come when the drain is over."""
FRESH = 3
"""Every so-manyth attempt is of mail that arrived after the primary came back, while there is any."""


class Drain:
    """``take`` gives ids to work on, ``done`` says what became of each."""

    def __init__(self, *, destination: str, since: float, pace: Pace) -> None:
        """``since``: when the primary came back; what arrived before it is what waited."""
        self._destination = destination
        self._since = since
        # What arrived in the very moment waited, too.
        self._split = since + 0.001
        self._pace = pace
        self._level = 0
        self._good = 0
        self._rest_until = 0.0
        self._place = b""
        self._all_read = False
        self._waiting: dict[str, deque[int]] = {}
        """By user, in the order of their turns."""
        self._fresh_place = b""
        self._retries: list[tuple[float, int]] = []
        self._turn = 0
        self._under_way: set[int] = set()

    @property
    def since(self) -> float:
        return self._since

    @property
    def room(self) -> int:
        """How many connections there may be at present."""
        return self._pace.levels[self._level]

    @property
    def finished(self) -> bool:
        """All that waited was tried."""
        return self._all_read and not self._waiting and not self._under_way

    def take(self, snap: Snapshot, *, now: float, steady: float, taken: Container[int], room: int) -> list[int]:
        """At most ``room`` ids; ``taken`` are not to be had. ``now`` is the wall's time, ``steady`` monotonic."""
        if steady < self._rest_until:
            return []
        ids: list[int] = []
        while len(ids) < room:
            self._turn += 1
            sources: list[Callable[[], int | None]] = [
                lambda: self._oldest(snap, now, taken),
                lambda: self._fresh(snap, now, taken),
                lambda: self._retry(snap, now, taken),
            ]
            if self._turn % FRESH == 0:
                sources = [sources[1], sources[2], sources[0]]
            found = next((one for one in (source() for source in sources) if one is not None), None)
            if found is None:
                break
            reach("drain.next")
            self._under_way.add(found)
            ids.append(found)
        return ids

    def done(self, entry_id: int, entry: QueueEntry | None, *, good: bool, throttled: bool, steady: float) -> None:
        """``entry`` as it is after its attempt, None when it was not tried."""
        self._under_way.discard(entry_id)
        if entry is not None and outbound.is_open(entry) and len(self._retries) < MOST_RETRIES:
            heapq.heappush(self._retries, (entry.due, entry_id))
        if throttled:
            self._level = max(self._level - 1, 0)
            self._good = 0
            self._rest_until = steady + self._pace.rest
        elif good:
            self._good += 1
            if self._good >= self._pace.steps * self.room and self._level + 1 < len(self._pace.levels):
                self._level += 1
                self._good = 0

    def _oldest(self, snap: Snapshot, now: float, taken: Container[int]) -> int | None:
        """The next one of what waited: the user whose turn it is, his oldest."""
        while True:
            if not self._waiting and not self._read_on(snap, now):
                return None
            user, mine = next(iter(self._waiting.items()))
            del self._waiting[user]
            entry_id = mine.popleft()
            if mine:
                self._waiting[user] = mine
            if entry_id not in taken and entry_id not in self._under_way:
                return entry_id

    def _read_on(self, snap: Snapshot, now: float) -> bool:
        """Fill the window; False when there is nothing more that waited."""
        while not self._waiting and not self._all_read:
            rows = outbound.arrivals(
                snap, self._destination, after=self._place, before=self._split, limit=WINDOW
            )
            self._all_read = len(rows) < WINDOW
            for place, entry_id in rows:
                self._place = place
                entry = _free(snap, entry_id, now)
                if entry is not None:
                    self._waiting.setdefault(_user(entry), deque()).append(entry_id)
        return bool(self._waiting)

    def _fresh(self, snap: Snapshot, now: float, taken: Container[int]) -> int | None:
        """The next one that arrived since the primary is back."""
        while True:
            start = self._fresh_place or outbound.place_from(self._destination, self._split)
            rows = outbound.arrivals(snap, self._destination, after=start, limit=1)
            if not rows:
                return None
            self._fresh_place, entry_id = rows[0]
            if entry_id not in taken and _free(snap, entry_id, now) is not None:
                return entry_id

    def _retry(self, snap: Snapshot, now: float, taken: Container[int]) -> int | None:
        """The next one that was deferred in this drain and whose time has come again."""
        while self._retries and self._retries[0][0] <= now:
            _, entry_id = heapq.heappop(self._retries)
            if entry_id not in taken and _free(snap, entry_id, now) is not None:
                return entry_id
        return None


def _free(snap: Snapshot, entry_id: int, now: float) -> QueueEntry | None:
    """The entry, when it may be worked on; None also when its octets are damaged, which must not stop the others."""
    try:
        entry = outbound.entry(snap, entry_id)
    except Corrupt:
        return None
    return entry if entry is not None and not entry.held and entry.lease_until <= now else None


def _user(entry: QueueEntry) -> str:
    return entry.recipients[0].address.casefold() if entry.recipients else ""
