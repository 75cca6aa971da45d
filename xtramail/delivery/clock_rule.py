"""The clock rule: expiry never trusts one look at the clock.

Pure: looks are passed in, the state is a frozen value that the caller keeps in the store. Wall and monotonic progress
are compared at each look. Expiry pauses when the wall clock is ahead of what it should show by more than a day, or
behind; it resumes when a person confirms, or after 24 hours in which both clocks agree. And it is paced: what nobody
confirmed never takes more than two days of mail in one real day.

Mail that arrives while the clock is wrong lies in the bucket of a wrong day. So the rule remembers, for each day that
it saw, when that day was now, and moves those times with every jump: what arrived on a day that the clock showed by
mistake is as old as it is, whatever its day says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xtramail.model.clock import day_of

DAY = 86_400.0
AHEAD = DAY
"""A wall clock further ahead than this is not believed (a server that was off for days is asked about, too)."""
BEHIND = 600.0
"""Slack for a clock that is corrected a little; nothing expires early by it."""
AGREEMENT = DAY
SLEW = 30.0
"""Seconds of difference between two looks that count as agreement (NTP slews far less)."""
DAYS_PER_DAY = 2
DAYS_KEPT = 64
"""Days of which is known when they were: a clock that was wrong for longer had its mail expire by its own time."""


@dataclass(frozen=True, slots=True)
class Look:
    """Both clocks at one moment, in seconds; ``monotonic`` counts from the start of ``run``."""

    wall: float
    monotonic: float
    run: str
    """Differs in every run of the server: monotonic time cannot be compared across runs."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """The last look, and since when the clock has not been believed. ``dropped``: (day, wall time) of recent expiry."""

    wall: float = 0.0
    monotonic: float = 0.0
    run: str = ""
    paused: str = ""
    """Why expiry pauses, for the operator; empty when it does not."""
    agreed: float = 0.0
    """Seconds in which both clocks have agreed without a break, in this run."""
    strayed: float = 0.0
    """Seconds that the wall clock gained in jumps since they last agreed for a day: many small jumps are a big one."""
    dropped: tuple[tuple[int, float], ...] = ()
    days: tuple[tuple[int, float], ...] = ()
    """Days that the clock showed (``clock.day_of``), and when that was last, by the clock as it is now."""
    set_back: float = 0.0
    """Seconds by which it was set back and has not been set ahead again. A wrong clock agrees with itself, so that only
    a person ends this: until then mail may live as much longer as nobody knows."""


def after_look(state: ClockState, look: Look) -> ClockState:
    """The state after one more look. The very first look of a new store is believed: there is nothing to lose yet."""
    seen = replace(state, wall=look.wall, monotonic=look.monotonic, run=look.run)
    if not state.run:
        return replace(seen, days=_shown(state.days, look.wall))
    same_run = state.run == look.run
    passed = look.monotonic - state.monotonic if same_run else 0.0
    drift = look.wall - state.wall - passed
    # Ahead, time may have passed (the machine slept); but never back, and what was set back may be set right again.
    jump = min(drift, state.set_back)
    days = tuple((day, at + jump) for day, at in state.days) if abs(jump) > SLEW else state.days
    seen = replace(seen, days=_shown(days, look.wall), set_back=max(state.set_back - jump, 0.0))
    agree = same_run and abs(drift) <= SLEW
    agreed = state.agreed + passed if agree else 0.0
    strayed = state.strayed if agree or not same_run else state.strayed + drift
    if agreed >= AGREEMENT:
        return replace(seen, paused="", agreed=agreed, strayed=0.0)
    if drift > AHEAD or drift < -BEHIND:
        return replace(seen, paused=_reason(drift, same_run), agreed=0.0, strayed=0.0)
    if strayed > AHEAD or strayed < -BEHIND:
        return replace(seen, paused=_reason(strayed, same_run), agreed=0.0, strayed=0.0)
    return replace(seen, agreed=agreed, strayed=strayed)


def confirmed(state: ClockState) -> ClockState:
    """A person says that the clock is right."""
    return replace(state, paused="", agreed=0.0, strayed=0.0, set_back=0.0)


def younger_days(state: ClockState) -> dict[int, int]:
    """Days that the clock showed later than they say, and the day on which it did, by the clock as it is now."""
    return {day: day_of(at) for day, at in state.days if day_of(at) > day}


def _shown(days: tuple[tuple[int, float], ...], wall: float) -> tuple[tuple[int, float], ...]:
    today = day_of(wall)
    return (*[row for row in days if row[0] != today][-DAYS_KEPT + 1 :], (today, wall))


def allowed_days(state: ClockState, dead_days: list[int]) -> list[int]:
    """Which of ``dead_days`` (ascending day numbers) may be dropped now, unconfirmed.

    None while paused, else the oldest, as far as two days of mail in the last real day allow.
    """
    if state.paused:
        return []
    recent = {day for day, at in state.dropped if abs(state.wall - at) < DAY}
    allowed: list[int] = []
    for day in dead_days:
        if day in recent:
            allowed.append(day)
        elif len(recent) < DAYS_PER_DAY:
            recent.add(day)
            allowed.append(day)
    return allowed


def after_drop(state: ClockState, day: int) -> ClockState:
    """Remember that mail of ``day`` expired now."""
    kept = tuple(entry for entry in state.dropped if abs(state.wall - entry[1]) < 2 * DAY and entry[0] != day)
    return replace(state, dropped=(*kept, (day, state.wall)))


def _reason(drift: float, same_run: bool) -> str:
    amount = f"{abs(drift) / DAY:.1f} days" if abs(drift) >= DAY else f"{abs(drift) / 60:.0f} minutes"
    direction = "ahead" if drift > 0 else "back"
    since = "" if same_run else " since the server last ran"
    return f"the clock went {direction} by {amount}{since}; if it is right now: xtramail expire --confirm"
