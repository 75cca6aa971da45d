"""Outages (scope of a domain): its primary's state, each change of it, and one row for each outage with its evidence.

The table of states is ``model.primary``'s; here a step is taken in it and written down, in one transaction.
"""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.model.primary import NEXT, OUTAGE, Event, State
from xtramail.store import domain_keys, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode

KEPT_SECONDS = 366 * 86_400.0
"""Transitions and outages are kept for a year."""
MOST_TRANSITIONS = 10_000
"""Of one domain: a primary that comes and goes for months must not fill the store."""


class PrimaryRow(Record, frozen=True):
    state: str = "up"
    since: float = 0.0
    cause: str = ""
    outage: int = 0
    """Id of the outage that is going on; 0: none."""
    held_by: str = ""
    """admin, window or ok (it answers again, and somebody wants to say when its mail goes)."""
    steps: int = 0
    """Transitions so far."""


class Transition(Record, frozen=True):
    at: float
    before: str
    after: str
    cause: str
    by: str = ""
    """Who did it where a person did."""
    outage: int = 0


class OutageRow(Record, frozen=True):
    id: int
    """Microseconds since 1970 at which it began."""
    started: float
    cause: str
    answered: float = 0.0
    """When the primary answered again; 0: not yet."""
    ended: float = 0.0
    """When all that waited was handed over; 0: not yet."""
    evidence: dict[str, str] = {}
    """What was counted when it ended, as JSON by name."""


class Window(Record, frozen=True):
    """A planned time in which the queue is held."""

    id: int
    start: float
    end: float
    reason: str = ""


def primary(snap: Snapshot) -> PrimaryRow:
    """The state of the domain's primary; up when nothing was ever written."""
    value = snap.get(PERMANENT, domain_keys.PRIMARY)
    return decode(value, PrimaryRow) if value is not None else PrimaryRow()


def state(snap: Snapshot) -> State:
    return State(primary(snap).state)


def advance(
    txn: Txn, event: Event, *, cause: str, now: float, by: str = "", held_by: str = "", ask_first: bool = False
) -> Transition | None:
    """Take a step in the table; None when ``event`` leads nowhere from the present state.

    ``ask_first``: a primary that answers again is held until somebody says that its mail may go, be it that a window
    of maintenance that began in the outage ends.
    """
    old = primary(txn)
    before = State(old.state)
    after = NEXT[before].get(event)
    if after is None or (after is before and old.held_by in ("admin", held_by)):
        return None
    if ask_first and after is State.RECOVERING and (before is State.DOWN or _was_down(txn, old)):
        after, held_by, cause = State.HELD, "ok", f"{cause}; waits for your word"
    outage = old.outage
    if after in OUTAGE and not outage:
        outage = keys.micros(now)
        put_outage(txn, OutageRow(id=outage, started=now, cause=cause))
    elif outage:
        _carry_on(txn, outage, before, after, event, now)
    step = Transition(at=now, before=before, after=after, cause=cause, by=by, outage=outage)
    row = PrimaryRow(
        state=after,
        since=now,
        cause=cause,
        outage=outage if after in OUTAGE else 0,
        held_by=held_by if after is State.HELD else "",
        steps=old.steps + 1,
    )
    txn.put(PERMANENT, domain_keys.PRIMARY, encode(row))
    txn.put(PERMANENT, domain_keys.transition(now, row.steps), encode(step))
    _forget(txn, domain_keys.TRANSITIONS, now, row.steps)
    return step


def _was_down(snap: Snapshot, row: PrimaryRow) -> bool:
    """Whether the outage that goes on had the primary down, and was not made by holding alone."""
    began = outage(snap, row.outage)
    since = row.since if began is None else began.started
    return any(one.after == State.DOWN for one in transitions(snap, since=since) if one.outage == row.outage)


def _carry_on(txn: Txn, outage_id: int, before: State, after: State, event: Event, now: float) -> None:
    row = outage(txn, outage_id)
    if row is None:
        return
    if event is Event.ANSWERS or (before is State.HELD and after is State.RECOVERING):
        row = replace(row, answered=row.answered or now)
    elif after is State.DOWN:
        row = replace(row, answered=0.0)
    if after not in OUTAGE:
        row = replace(row, ended=now)
    put_outage(txn, row)


def _forget(txn: Txn, prefix: bytes, now: float, steps: int) -> None:
    """The oldest one goes when its year is over, or there are too many: two at most for each that is added."""
    for key, value in txn.range(PERMANENT, prefix, keys.after(prefix), limit=2):
        first = decode(value, Transition)
        too_many = steps - int.from_bytes(key[9:13], "big") >= MOST_TRANSITIONS
        if first.at > now - KEPT_SECONDS and not too_many:
            return
        txn.delete(PERMANENT, key)


def transitions(snap: Snapshot, *, since: float = 0.0, limit: int = 0) -> list[Transition]:
    """The newest first; at most ``limit`` (0: all)."""
    rows = snap.range(
        PERMANENT, domain_keys.transition(since, 0), keys.after(domain_keys.TRANSITIONS), limit=limit, reverse=True
    )
    return [decode(value, Transition) for _, value in rows]


def put_outage(txn: Txn, row: OutageRow) -> None:
    txn.put(PERMANENT, domain_keys.outage(row.id), encode(row))
    for key, value in txn.range(PERMANENT, domain_keys.OUTAGES, domain_keys.outage(row.id), limit=1):
        if decode(value, OutageRow).started < row.started - KEPT_SECONDS:
            txn.delete(PERMANENT, key)


def outage(snap: Snapshot, outage_id: int) -> OutageRow | None:
    value = snap.get(PERMANENT, domain_keys.outage(outage_id))
    return decode(value, OutageRow) if value is not None else None


def outages(snap: Snapshot, limit: int = 0) -> list[OutageRow]:
    """The newest first; at most ``limit`` (0: all)."""
    rows = snap.range(PERMANENT, domain_keys.OUTAGES, keys.after(domain_keys.OUTAGES), limit=limit, reverse=True)
    return [decode(value, OutageRow) for _, value in rows]


def put_window(txn: Txn, row: Window) -> None:
    txn.put(PERMANENT, domain_keys.window(row.id), encode(row))


def windows(snap: Snapshot) -> list[Window]:
    """In the order in which they were planned."""
    low = domain_keys.WINDOWS
    return [decode(value, Window) for _, value in snap.range(PERMANENT, low, keys.after(low))]


def end_windows(txn: Txn, now: float) -> list[Window]:
    """Take those back that run now; which they were."""
    running = [one for one in windows(txn) if one.start <= now < one.end]
    for one in running:
        delete_window(txn, one.id)
    return running


def delete_window(txn: Txn, window_id: int) -> bool:
    """Whether it was there."""
    return txn.delete(PERMANENT, domain_keys.window(window_id))
