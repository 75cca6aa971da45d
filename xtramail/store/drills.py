"""Drills (scope DRILLS): who takes part in which rehearsal of an outage, until when, and what came of each step.

Rows with an end: a restart in the middle changes nothing, and a drill that nobody ended is over when its time is. What
stays of it is its report, for a year. What the steps are is ``delivery/drill_steps``'.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import BadInput
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode

KEPT_SECONDS = 366 * 86_400.0
MOST_TEXT = 400
"""Characters of what a step says: hosts' words are in it."""

StepState = Literal["waits", "good", "failed", "skipped"]
DrillState = Literal["running", "ending", "over"]


class Step(Record, frozen=True):
    name: str
    state: StepState = "waits"
    at: float = 0.0
    """When it came to its state."""
    text: str = ""
    next: str = ""
    """What to do, where it failed."""


class Pilot(Record, frozen=True):
    """One user who sees the outage."""

    account_id: int
    address: str
    outside: str = ""
    """Where he is told of it; empty: nowhere."""
    steps: tuple[Step, ...] = ()
    messages: dict[str, int] = {}
    """Our ids of his canaries, by what they are."""

    def step(self, name: str) -> Step:
        return next((one for one in self.steps if one.name == name), Step(name=name))

    def came(self, name: str, state: StepState, text: str, *, at: float, next: str = "") -> Pilot:
        """With one step where it is now; a step that says the same as before keeps its time."""
        old, text = self.step(name), text[:MOST_TEXT]
        if (old.state, old.text) == (state, text):
            return self
        fresh = Step(name=name, state=state, at=at, text=text, next=next)
        return replace(self, steps=tuple(fresh if one.name == name else one for one in self.steps))

    @property
    def passed(self) -> bool | None:
        """None while something of it is still to come."""
        if any(one.state == "failed" for one in self.steps):
            return False
        return None if any(one.state == "waits" for one in self.steps) else True


class DrillRow(Record, frozen=True):
    id: int
    """Microseconds since 1970 at which it began."""
    domain: str
    started: float
    ends: float
    by: str = ""
    canary: str = ""
    """To whom pilots' canaries go; empty: to themselves."""
    state: DrillState = "running"
    ended: float = 0.0
    stopped_by: str = ""
    """Who ended it before its time."""


def begin(txn: Txn, row: DrillRow, pilots: tuple[Pilot, ...]) -> None:
    """Write a new drill; BadInput while another one of its domain runs."""
    other = next((one for one in running(txn) if one.domain == row.domain), None)
    if other is not None:
        raise BadInput(f"drill {other.id} of {row.domain} runs already; end it: xtramail drill stop {other.id}")
    txn.put(PERMANENT, keys.drill(row.id), encode(row))
    txn.put(PERMANENT, keys.drill_running(row.id), b"")
    for pilot in pilots:
        put_pilot(txn, row.id, pilot)
        txn.put(PERMANENT, keys.in_drill(pilot.account_id), encode(row))
    _forget(txn, row.started)


def drill(snap: Snapshot, drill_id: int) -> DrillRow | None:
    value = snap.get(PERMANENT, keys.drill(drill_id))
    return decode(value, DrillRow) if value is not None else None


def drills(snap: Snapshot, limit: int = 0) -> list[DrillRow]:
    """The newest first; at most ``limit`` (0: all)."""
    rows = snap.range(PERMANENT, keys.DRILL_ROWS, keys.after(keys.DRILL_ROWS), limit=limit, reverse=True)
    return [decode(value, DrillRow) for _, value in rows]


def running(snap: Snapshot) -> list[DrillRow]:
    """Those that are not over, the oldest first."""
    rows = snap.range(PERMANENT, keys.DRILLS_RUNNING, keys.after(keys.DRILLS_RUNNING))
    found = (drill(snap, keys.drill_running_of(key)) for key, _ in rows)
    return [row for row in found if row is not None]


def pilots(snap: Snapshot, drill_id: int) -> list[Pilot]:
    """By account id."""
    low = keys.drill_pilots(drill_id)
    return [decode(value, Pilot) for _, value in snap.range(PERMANENT, low, keys.after(low))]


def pilot(snap: Snapshot, drill_id: int, account_id: int) -> Pilot | None:
    value = snap.get(PERMANENT, keys.drill_pilot(drill_id, account_id))
    return decode(value, Pilot) if value is not None else None


def put_pilot(txn: Txn, drill_id: int, row: Pilot) -> None:
    txn.put(PERMANENT, keys.drill_pilot(drill_id, row.account_id), encode(row))


def in_drill(snap: Snapshot, account_id: int, now: float) -> bool:
    """Whether a user sees an outage now that is none."""
    value = snap.get(PERMANENT, keys.in_drill(account_id))
    return value is not None and now < decode(value, DrillRow).ends


def end(txn: Txn, drill_id: int, now: float, *, by: str = "") -> DrillRow | None:
    """Its pilots see no outage any more, what it left is tidied up next; None when it does not run."""
    row = drill(txn, drill_id)
    if row is None or row.state != "running":
        return None
    ending = replace(row, state="ending", ended=now, stopped_by=by)
    txn.put(PERMANENT, keys.drill(drill_id), encode(ending))
    for one in pilots(txn, drill_id):
        txn.delete(PERMANENT, keys.in_drill(one.account_id))
    return ending


def finish(txn: Txn, drill_id: int) -> DrillRow | None:
    """Only its report is left; None when that was so before."""
    row = drill(txn, drill_id)
    if row is None or row.state != "ending":
        return None
    over = replace(row, state="over")
    txn.put(PERMANENT, keys.drill(drill_id), encode(over))
    txn.delete(PERMANENT, keys.drill_running(drill_id))
    return over


def _forget(txn: Txn, now: float) -> None:
    """The oldest go when their year is over: two at most for each that is added."""
    for key, value in txn.range(PERMANENT, keys.DRILL_ROWS, keys.after(keys.DRILL_ROWS), limit=2):
        row = decode(value, DrillRow)
        if row.state != "over" or row.started > now - KEPT_SECONDS:
            return
        txn.delete(PERMANENT, key)
        for one in pilots(txn, row.id):
            txn.delete(PERMANENT, keys.drill_pilot(row.id, one.account_id))
