"""Address blocks from which users logged in, kept over restarts: who is known is not shut out for his neighbours.

Owns what is in the store of them. What being known is good for, and for how long, is the guard's. A block is written
once a day; what is to be written is collected until somebody calls :meth:`KnownBlocks.flush`, and goes in one commit.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from xtramail.model.clock import DAY_SECONDS, Clock
from xtramail.model.errors import Corrupt, XtramailError
from xtramail.store import keys, known_blocks
from xtramail.store.engine import Engine

EVERY = float(DAY_SECONDS)
"""Seconds between two writes of one block."""
MOST_GONE = 1_000
"""So many are taken away in one commit: others wait for it."""


class KnownBlocks:
    """``seen`` is called from ``guard.Guard`` for each good login."""

    def __init__(self, engine: Engine, clock: Clock, *, kept_for: float = 30.0 * DAY_SECONDS, most: int = 100_000):
        """``kept_for``: seconds since the last login from there; ``most``: the ones that came last."""
        self._engine = engine
        self._clock = clock
        self._kept_for = kept_for
        self._most = most
        try:
            rows = engine.read(keys.LOGINS, known_blocks.known_blocks)
        except Corrupt:
            # They are learned again; no server stays down for it.
            rows = {}
        self._last = OrderedDict(sorted(rows.items(), key=lambda row: row[1]))
        """When each was last seen, the longest ago first."""
        self._fresh: set[str] = set()

    def ages(self) -> dict[str, float]:
        """Seconds since each was seen, the longest ago first; what a clock wrote that was ahead is of now."""
        now = self._clock.now()
        return {block: max(now - at, 0.0) for block, at in self._last.items()}

    def seen(self, block: str) -> None:
        """Somebody logged in from there. Costs a look-up; writes nothing."""
        now, last = self._clock.now(), self._last.get(block)
        if last is not None and 0 <= now - last < EVERY:
            return
        self._last[block] = now
        self._last.move_to_end(block)
        self._fresh.add(block)

    async def flush(self) -> None:
        """Write what was collected, and forget what is old. What cannot be written is kept for the next time, and the
        error passes through."""
        gone = self._gone()
        if not self._fresh and not gone:
            return
        fresh, self._fresh = self._fresh, set()
        for block in gone:
            del self._last[block]
        seen = {block: self._last[block] for block in fresh - set(gone)}
        try:
            await self._engine.transact(keys.LOGINS, partial(known_blocks.note, seen=seen, gone=gone))
        except XtramailError:
            # Rows that are still there are found at the next start.
            self._fresh |= seen.keys() & self._last.keys()
            raise

    def _gone(self) -> list[str]:
        """Those that came longest ago, where they are too old or too many."""
        oldest, over = self._clock.now() - self._kept_for, len(self._last) - self._most
        gone: list[str] = []
        for number, (block, at) in enumerate(self._last.items()):
            if (at > oldest and number >= over) or len(gone) == MOST_GONE:
                break
            gone.append(block)
        return gone
