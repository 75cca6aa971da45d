"""The clock rule: expiry never trusts one look at the clock.

Pure: looks are passed in, the state is a frozen value that the caller keeps in the store. Wall and monotonic progress
are compared at each look. Expiry pauses when the wall clock is ahead of what it should show by more than a day, or
behind; it resumes when a person confirms, or after 24 hours in which both clocks agree. And it is paced: what nobody
confirmed never takes more than two days of mail in one real day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

DAY = 86_400.0
AHEAD = DAY
"""A wall clock further ahead than this is not believed (a server that was off for days is asked about, too)."""
BEHIND = 600.0
"""Slack for a clock that is corrected a little; nothing expires early by it."""
AGREEMENT = DAY
SLEW = 30.0
"""Seconds of difference between two looks that count as agreement (NTP slews far less)."""
DAYS_PER_DAY = 2


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


def after_look(state: ClockState, look: Look) -> ClockState:
    """The state after one more look. The very first look of a new store is believed: there is nothing to lose yet."""
    seen = replace(state, wall=look.wall, monotonic=look.monotonic, run=look.run)
    if not state.run:
        return seen
    same_run = state.run == look.run
    passed = look.monotonic - state.monotonic if same_run else 0.0
    drift = look.wall - state.wall - passed
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
    return replace(state, paused="", agreed=0.0, strayed=0.0)


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
