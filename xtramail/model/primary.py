"""The state of a primary: five states, what leads from one to the next, and what is concluded from single signals.

Pure: every moment is passed in, nothing is kept but what a :class:`Health` has counted. A state belongs to a domain,
not to a host: a host of several that is away is no outage while another one takes the mail.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """What we do with a domain's queue follows from it."""

    UP = "up"
    SUSPECT = "suspect"
    """It failed; not yet often enough. Mail still goes to it."""
    DOWN = "down"
    """Nothing is handed over but to a probe."""
    RECOVERING = "recovering"
    """It answers again: what waits is handed over, slowly first."""
    HELD = "held"
    """The queue is closed by a person, or by a window that a person set."""


class Event(StrEnum):
    """What leads from one state to the next."""

    FAULT = "fault"
    FAILS = "fails"
    """So many faults within the window."""
    ANSWERS = "answers"
    """So many good answers in a row."""
    DRAINED = "drained"
    """Everything that waited when it came back was handed over, or tried."""
    HOLD = "hold"
    RELEASE = "release"


NEXT: dict[State, dict[Event, State]] = {
    State.UP: {Event.FAULT: State.SUSPECT, Event.FAILS: State.DOWN, Event.HOLD: State.HELD},
    State.SUSPECT: {Event.ANSWERS: State.UP, Event.FAILS: State.DOWN, Event.HOLD: State.HELD},
    State.DOWN: {Event.ANSWERS: State.RECOVERING, Event.HOLD: State.HELD},
    State.RECOVERING: {Event.DRAINED: State.UP, Event.FAILS: State.DOWN, Event.HOLD: State.HELD},
    # Whether it answers is seen by trying: if it does not, three faults lead on to DOWN. A person's hold takes the
    # place of a window's, which would end by itself.
    State.HELD: {Event.RELEASE: State.RECOVERING, Event.HOLD: State.HELD},
}
"""What is not in the table changes nothing."""

OUTAGE = frozenset({State.DOWN, State.RECOVERING, State.HELD})
"""States in which mail is kept from the primary, or still being given back: one outage from the first to the last."""

CLOSED = frozenset({State.DOWN, State.HELD})
"""States in which nothing is handed over."""


class Sign(StrEnum):
    """What one look at a primary shows of it."""

    GOOD = "good"
    """It greeted us (a probe), or took a message."""
    FAULT = "fault"
    """Refused, timed out, TLS failed, hung up, or a reply of its own trouble (421, 4xx or 5xx at connect, EHLO
    or MAIL)."""
    DEFERRAL = "deferral"
    """4xx for a recipient or a message: greylisting and throttling look so, too, and are no outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hysteresis:
    """Numbers of one domain; times in seconds."""

    window: float = 60.0
    faults: int = 3
    """So many within the window: it is down."""
    goods: int = 3
    """So many in a row: it is up."""
    deferred: int = 3
    """Deferrals count as a fault when so many known-good recipients meet them within the window."""


@dataclass(slots=True)
class Health:
    """What was seen of one primary since its state last changed. Memory of at most a few dozen signs."""

    faults: deque[float] = field(default_factory=deque)
    goods: int = 0
    deferred: dict[str, float] = field(default_factory=dict)
    """Known-good recipient and when its mail was deferred last."""

    def saw(self, sign: Sign, *, now: float, numbers: Hysteresis, recipient: str = "") -> Event | None:
        """The event that follows from one more sign, None while nothing does.

        A good answer does not take faults back: a primary that comes and goes within the window is down all the same.
        """
        since = now - numbers.window
        while self.faults and self.faults[0] <= since:
            self.faults.popleft()
        if sign is Sign.GOOD:
            self.goods += 1
            return Event.ANSWERS if self.goods >= numbers.goods else None
        if sign is Sign.DEFERRAL and not self._deferral(recipient, now, since, numbers.deferred):
            return None
        self.goods = 0
        self.faults.append(now)
        if len(self.faults) < numbers.faults:
            return Event.FAULT
        while len(self.faults) > numbers.faults:
            self.faults.popleft()
        return Event.FAILS

    def _deferral(self, recipient: str, now: float, since: float, enough: int) -> bool:
        """Whether so many different recipients met it that it is the server's trouble."""
        self.deferred = {one: at for one, at in self.deferred.items() if at > since}
        if recipient:
            self.deferred[recipient] = now
        if len(self.deferred) < enough:
            return False
        self.deferred.clear()
        return True
