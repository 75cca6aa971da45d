"""How much waits for whom: the queue counted from its index, in slices, for whoever draws pictures of it.

The counts are those of the last pass. Nothing is counted as mail comes and goes: a message costs no write for it, and a
scrape of the metrics costs the same whatever waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from xtramail.store import keys, outbound, queue_keys
from xtramail.store.engine import Engine

STEP = 5_000
"""Index rows in a slice: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one destination."""

    entries: int
    oldest: float
    """When the first of them arrived."""


@dataclass(slots=True)
class Survey:
    engine: Engine
    step: int = STEP
    waiting: dict[str, Waiting] = field(default_factory=dict)
    """By destination, as of the last pass that came to its end."""

    def walk(self) -> Iterator[None]:
        """One pass, a slice at each step."""
        found: dict[str, Waiting] = {}
        for name in self.engine.read(keys.QUEUE, outbound.destinations):
            entries, oldest, after = 0, 0.0, b""
            while rows := self.engine.read(
                keys.QUEUE, partial(outbound.arrivals, destination=name, after=after, limit=self.step)
            ):
                oldest = oldest or queue_keys.by_destination_arrival(rows[0][0])
                entries, after = entries + len(rows), rows[-1][0]
                yield
                if len(rows) < self.step:
                    break
            if entries:
                found[name] = Waiting(entries=entries, oldest=oldest)
        self.waiting = found
