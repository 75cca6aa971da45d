"""Mail that a wrong clock put off: due later than the timetable ever says, because the clock has gone back since.

A machine that starts with its clock hours ahead would otherwise keep what it took then until those hours have passed.
Owns no timetable (``backoff``) and no look at the queue by time (``dispatch``).
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from xtramail.delivery.backoff import Timetable
from xtramail.model.errors import Corrupt
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine, Snapshot, Txn

LONGEST = 7_200.0
"""Seconds: twice the longest lease, and more than twice the last step of the usual timetable."""
_STEP = 256


async def hurry_put_off(engine: Engine, timetable: Timetable, now: float) -> int:
    """Make due now what is due later than any attempt can be; how many entries. A seek for each destination."""
    latest = now + max(LONGEST, 2 * max(timetable.steps))
    ids = engine.read(keys.QUEUE, lambda snap: _put_off(snap, latest))
    for at in range(0, len(ids), _STEP):
        await engine.transact(keys.QUEUE, partial(_hurry, ids=ids[at : at + _STEP], latest=latest, now=now))
    return len(ids)


def _put_off(snap: Snapshot, latest: float) -> list[int]:
    return [one for name in outbound.destinations(snap) for one in outbound.later(snap, name, latest)]


def _hurry(txn: Txn, ids: list[int], latest: float, now: float) -> None:
    for entry_id in ids:
        try:
            entry = outbound.entry(txn, entry_id)
        except Corrupt:
            continue
        # One that is being handed over gets its next time when that is over.
        if entry is not None and not entry.held and not entry.lease_owner and entry.due > latest:
            outbound.update(txn, replace(entry, due=now))
