"""The retention job: finds the dead buckets, drops them when the clock may be trusted, and sweeps them in small steps.

What is dead is a sum of numbers (``store/retention``), whether now is really now is ``clock_rule``'s. A drop is one
commit: readers ignore the bucket from that moment on. Its rows are deleted no earlier than 15 minutes later, in chunks
between other writes, so that a client in the middle of a message may finish it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from xtramail.delivery.clock_rule import (
    SLEW,
    ClockState,
    Look,
    after_drop,
    after_look,
    allowed_days,
    confirmed,
    younger_days,
)
from xtramail.model.bucket import PERMANENT, Bucket, bucket_day
from xtramail.model.clock import Clock, day_of
from xtramail.model.errors import Unavailable
from xtramail.store import keys, outbound, retention, schema
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.telemetry.crashpoint import reach

GRACE = 900.0
"""Seconds between the drop of a bucket and its deletion."""
CHUNK = 2_000
"""Rows deleted in one transaction at most: the write lock is held for two to five milliseconds, and where the rows
have to be read from the disk the store ends it sooner (``snapshot.SWEEP_SECONDS``).

Each commit writes LMDB's list of free pages again: with 500 rows a day of 20,000 messages costs four times the octets.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is dead. ``paused`` says why nothing is dropped; empty when the clock is trusted."""

    buckets: tuple[Bucket, ...]
    allowed: tuple[Bucket, ...]
    """Those that may go now without anybody's confirmation."""
    paused: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Told after each drop, for the log."""

    bucket: Bucket
    moved: int
    """Messages whose bodies moved to the ``held`` class first, because their fate is open."""


class RetentionJob:
    """``run`` is one round; the edge calls it each minute. The command line uses ``plan`` and ``confirm``."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        run: str,
        on_drop: Callable[[Dropped], None],
        on_pause: Callable[[str], None],
        grace: float = GRACE,
    ) -> None:
        """``run`` names this run of the process: monotonic clocks of different runs are not compared."""
        self._engine = engine
        self._clock = clock
        self._run = run
        self._on_drop = on_drop
        self._on_pause = on_pause
        self._grace = grace
        self._seen: dict[Bucket, float] = {}
        self._told = ""
        self._offset: float | None = None
        """Of the wall clock from the monotonic one."""

    def jumped(self) -> bool:
        """Whether the wall clock was set since this was asked last: then :meth:`look`, before it is set again.

        Mail that arrives between two looks at a clock that is wrong, and soon right again, would be of a day that
        nobody knows was shown by mistake.
        """
        before = self._offset
        self._offset = self._clock.now() - self._clock.monotonic()
        return before is not None and abs(self._offset - before) > SLEW

    async def look(self) -> ClockState:
        """Take down what the clocks show. StoreFull and StoreFault."""
        look = self._look()
        return await self._engine.transact(keys.STORE, lambda txn: _write(txn, after_look(read_state(txn), look)))

    def plan(self) -> Plan:
        """What would be dropped if this were the moment; changes nothing."""
        state = self._engine.read(keys.STORE, read_state)
        return self._plan(after_look(state, self._look()))

    async def run(self) -> Plan:
        """Look at the clock, sweep what was dropped long enough ago, drop what may go.

        Sweeping comes first: where the store is full, it makes the room that the rest needs.
        """
        await self.sweep()
        plan = self._plan(await self.look())
        if plan.buckets and plan.paused and plan.paused != self._told:
            self._on_pause(plan.paused)
        self._told = plan.paused
        await self._drop_all(plan.allowed)
        return plan

    async def confirm(self) -> Plan:
        """The clock is right, a person says: drop everything that is dead, however much it is."""
        look = self._look()

        def trust(txn: Txn) -> ClockState:
            return _write(txn, confirmed(after_look(read_state(txn), look)))

        plan = self._plan(await self._engine.transact(keys.STORE, trust))
        await self._drop_all(plan.buckets)
        return plan

    async def sweep(self) -> int:
        """Delete the rows of buckets that were dropped long enough ago; settled with how many rows.

        The wait is measured by this process's monotonic clock from when it first saw the drop: a wrong clock or a
        restart only makes it longer.
        """
        now = self._clock.monotonic()
        dropped = self._engine.read(keys.STORE, lambda snap: dict(snap.dropped()))
        waiting = [bucket for bucket in self._engine.buckets() if bucket in dropped]
        self._seen = {bucket: self._seen.get(bucket, now) for bucket in waiting}
        swept = 0
        for bucket, since in self._seen.items():
            if now - since < self._grace:
                continue
            while count := await self._engine.sweep_bucket(bucket, CHUNK):
                reach("retention.sweeping")
                swept += count
        return swept

    async def _drop_all(self, buckets: tuple[Bucket, ...]) -> None:
        """One bucket that cannot go now must not keep the others: raises the first fault at the end."""
        fault: Unavailable | None = None
        for bucket in buckets:
            try:
                await self._drop(bucket)
            except Unavailable as error:
                fault = fault or error
        if fault is not None:
            raise fault

    async def _drop(self, bucket: Bucket) -> None:
        moved = await retention.move_open_bodies(self._engine, bucket, self._clock.now())
        day = bucket_day(bucket)
        # Counted before it is done: dying in between must not allow a third day today.
        await self._engine.transact(keys.STORE, lambda txn: _write(txn, after_drop(read_state(txn), day)))
        reach("retention.before-drop")
        await self._engine.drop_bucket(bucket, int(self._clock.now() * 1_000_000))
        reach("retention.after-drop")
        self._seen.setdefault(bucket, self._clock.monotonic())
        self._on_drop(Dropped(bucket=bucket, moved=moved))

    def _plan(self, state: ClockState) -> Plan:
        classes = self._engine.read(keys.STORE, schema.retention_classes)
        live = self._engine.read(keys.STORE, _live_buckets)
        oldest = self._engine.read(keys.QUEUE, outbound.oldest_arrival)
        dead = retention.dead_buckets(
            live,
            classes,
            # Of the look that was judged: the clock may have been set since, while that was written down.
            day_of(state.wall),
            log_from=None if oldest is None else day_of(oldest),
            younger=younger_days(state),
        )
        days = sorted({bucket_day(bucket) for bucket in dead})
        allowed = set(allowed_days(state, days))
        return Plan(
            buckets=tuple(dead),
            allowed=tuple(bucket for bucket in dead if bucket_day(bucket) in allowed),
            paused=state.paused,
        )

    def _look(self) -> Look:
        return Look(wall=self._clock.now(), monotonic=self._clock.monotonic(), run=self._run)


def _live_buckets(snap: Snapshot) -> list[Bucket]:
    return snap.buckets()


def read_state(snap: Snapshot) -> ClockState:
    """The kept clock state; an empty one in a new store."""
    value = snap.get(PERMANENT, keys.CLOCK_STATE)
    return msgspec.msgpack.decode(value, type=ClockState) if value is not None else ClockState()


def _write(txn: Txn, state: ClockState) -> ClockState:
    txn.put(PERMANENT, keys.CLOCK_STATE, msgspec.msgpack.encode(state))
    return state
