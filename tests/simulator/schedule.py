"""A schedule: what happens when, drawn from a seed, printed, and shortened to what makes it fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulator.office import ALIASES, DOMAINS, HOSTS, OUTSIDE, RECIPIENTS, SENDERS, USERS
from tests.simulator.primaries import MOODS

GAPS = (0.0, 0.001, 0.006, 0.05, 0.3, 1.0, 4.0, 20.0, 61.0)
SLEEPS = (90.0, 700.0, 4_000.0, 90_000.0, 200_000.0, 1_300_000.0)
JUMPS = (-90_000.0, -3_000.0, -700.0, 30.0, 5_000.0, 80_000.0, 4_000_000.0)


@dataclass(frozen=True, slots=True)
class Event:
    """``what`` happens after ``gap`` seconds; ``whom`` and ``number`` say more."""

    gap: float
    what: str
    whom: tuple[str, ...] = ()
    number: float = 0

    def __str__(self) -> str:
        parts = [f"+{self.gap:g}s", self.what, *self.whom, f"{self.number:g}" if self.number else ""]
        return " ".join(part for part in parts if part)


WEIGHTS = {
    "mail": 30,
    "submission": 10,
    "mood": 18,
    "wait": 8,
    "sleep": 3,
    "jump": 2,
    "dies": 2,
    "dies in commit": 3,
    "dies at the dot": 2,
    "restart": 2,
    "store fails": 2,
    "commit fails": 3,
    "outcome fails": 4,
    "store full": 2,
    "store free": 3,
    "hold domain": 2,
    "release domain": 2,
    "window": 2,
    "hold": 2,
    "release": 2,
    "bounce": 1,
    "move": 4,
    "delete": 3,
    "restore": 2,
    "device": 2,
    "device submission": 4,
    "revoke": 2,
}


def drawn(seed: int, events: int) -> list[Event]:
    """The schedule of a seed."""
    chance = random.Random(seed)
    kinds = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=events)
    # A primary stays in some moods for a whole schedule: outages are long, and made of one thing.
    moods = chance.sample(list(MOODS), k=chance.choice((1, 2, 5))) + ["accepts"]
    return [_event(what, number, chance, moods) for number, what in enumerate(kinds, 1)]


def _event(what: str, number: int, chance: random.Random, moods: Sequence[str]) -> Event:
    gap = chance.choice(GAPS)
    pick = chance.randrange(1000)
    match what:
        case "mail":
            to = chance.sample((*RECIPIENTS, *ALIASES), k=chance.choice((1, 1, 2, 4)))
            size = chance.choice((10, 10, 2_000, 140_000))
            return Event(gap, what, (f"m{number}", chance.choice(SENDERS), *to), size)
        case "submission":
            to = chance.sample((*RECIPIENTS, *ALIASES, OUTSIDE), k=chance.choice((1, 2, 3)))
            return Event(gap, what, (f"s{number}", chance.choice(USERS), *to), 10)
        case "device submission":
            to = chance.sample((*RECIPIENTS, OUTSIDE), k=chance.choice((1, 2)))
            return Event(gap, what, (f"d{number}", chance.choice(USERS), *to), pick)
        case "device" | "revoke":
            return Event(gap, what, (chance.choice(USERS),), pick)
        case "mood":
            return Event(gap, what, (chance.choice((*HOSTS, "sender.example", "world.example")), chance.choice(moods)))
        case "wait":
            return Event(chance.choice((30.0, 70.0, 200.0)), what)
        case "sleep":
            return Event(gap, what, (), chance.choice(SLEEPS))
        case "jump":
            return Event(gap, what, (), chance.choice(JUMPS))
        case "commit fails":
            return Event(gap, what, (chance.choice(("fault", "full")),), chance.randint(1, 8))
        case "outcome fails":
            return Event(gap, what, (chance.choice(("fault", "fault", "full")),), chance.randint(1, 3))
        case "dies in commit":
            return Event(gap, what, (), chance.randint(1, 6))
        case "store fails":
            return Event(gap, what, (), chance.randint(1, 4))
        case "hold domain" | "release domain":
            return Event(gap, what, (chance.choice(DOMAINS),))
        case "window":
            return Event(gap, what, (chance.choice(DOMAINS),), chance.choice((20, 100, 1_000)))
        case "move" | "delete" | "restore":
            return Event(gap, what, (chance.choice(USERS),), pick)
        case "hold" | "release" | "bounce":
            return Event(gap, what, (), pick)
    return Event(gap, what)


def shortened(events: list[Event], fails: Callable[[list[Event]], bool]) -> list[Event]:
    """As few of ``events`` as still fail: halves, then quarters, down to single ones are left out."""
    size = len(events) // 2
    while size:
        at = 0
        while at < len(events):
            fewer = events[:at] + events[at + size :]
            if fails(fewer):
                events = fewer
            else:
                at += size
        size //= 2
    return events
