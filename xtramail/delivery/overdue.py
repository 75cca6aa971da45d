"""Overdue mail: what has waited as long as mail may wait is given up, and its people are warned a day before.

Also what is held, and what waits for a primary that is down: nobody asks for it, so somebody has to look. Looks at the
first entries of each destination by arrival, which are the first whose time is over. Gives nothing up itself: that is
``relay``'s, with its notice to the sender.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.errors import Corrupt
from xtramail.model.ids import id_seconds
from xtramail.store import outbound
from xtramail.store.engine import Snapshot
from xtramail.store.records import QueueEntry

WARN_SECONDS = 86_400.0
QUEUED_LATE = 3_600.0
"""Seconds between arrival and queueing after which an entry did not just arrive."""
_STEP = 500
"""Most entries of one destination that are looked at in one look."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Mail of a destination that is given up soon, unless its primary takes it before."""

    destination: str
    messages: int
    """At least so many."""
    first: float
    """When the first of them is given up."""


@dataclass(frozen=True, slots=True)
class Overdue:
    expired: tuple[int, ...]
    risks: tuple[Risk, ...]


def overdue(snap: Snapshot, now: float) -> Overdue:
    """A look at every destination with mail: a seek for each, and a get for each of its first entries."""
    expired: list[int] = []
    risks: list[Risk] = []
    for destination in outbound.destinations(snap):
        soon: list[float] = []
        for _, entry_id in outbound.arrivals(snap, destination, limit=_STEP):
            entry = _readable(snap, entry_id)
            if entry is None or entry.lease_until > now:
                continue
            if entry.expires > now + WARN_SECONDS:
                if id_seconds(entry.id) > entry.arrival + QUEUED_LATE:
                    # Sent mail that is replayed has its old date and a time of its own: it says nothing of the next.
                    continue
                break
            if entry.expires <= now:
                expired.append(entry_id)
            else:
                soon.append(entry.expires)
        if soon:
            risks.append(Risk(destination=destination, messages=len(soon), first=min(soon)))
    return Overdue(expired=tuple(expired), risks=tuple(risks))


def _readable(snap: Snapshot, entry_id: int) -> QueueEntry | None:
    try:
        return outbound.entry(snap, entry_id)
    except Corrupt:
        return None
