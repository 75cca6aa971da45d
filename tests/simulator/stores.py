"""Stores that take their time, fill up, fail and lose their power: the memory engine and LMDB.

While a server lives on one, what is handed over gathers until the next commit; a death loses what was not committed,
and whatever was committed and not reported is there all the same. Before that (``live`` was not called) each
transaction is committed at once.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulator.timeline import Reactor
from xtramail.model.errors import StoreFault, StoreFull
from xtramail.model.pending import Pending
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.verbs import EngineVerbs, Work

COMMIT_SECONDS = 0.004


class Died(BaseException):
    """The power is gone at this moment; nothing may catch it but the simulation."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work
    scopes: Sequence[bytes] | None
    rest: tuple[Any, ...]
    more: dict[str, Any]
    pending: Pending[Any]


class Gathered(EngineVerbs):
    """Mixed into an engine that commits each transaction at once."""

    reactor: Reactor | None = None
    chance: random.Random
    full = False
    """The disk is full: nothing can be written."""
    faults = 0
    """So many transactions fail."""
    fails_in = 0
    """The so-manyth commit from now on fails as a whole; 0: none does."""
    fails_with: type[StoreFault] | type[StoreFull] = StoreFault
    dies_in = 0
    """The power goes in the so-manyth commit from now on; 0: it does not."""
    _gathered: list[_Job]
    _together = 1

    def live(self, reactor: Reactor, chance: random.Random) -> None:
        """A server lives on it from now on."""
        self.reactor, self.chance, self._gathered = reactor, chance, []

    def submit(self, work: Work, scopes: Sequence[bytes] | None, *rest: Any, **more: Any) -> Pending[Any]:
        if self.reactor is None:
            return super().submit(work, scopes, *rest, **more)  # type: ignore[safe-super]
        pending: Pending[Any] = Pending()
        self._gathered.append(_Job(work, scopes, rest, more, pending))
        if len(self._gathered) == 1:
            self.reactor.callLater(COMMIT_SECONDS, self._commit_gathered)
        return pending

    def lone_commit(self) -> int:
        return super().lone_commit() if self._together == 1 else 0  # type: ignore[misc]

    def free_bytes(self) -> int:
        return 0 if self.full else 1 << 40

    def healed(self) -> None:
        """Whatever was wrong with it is over."""
        self.full, self.faults, self.fails_in, self.dies_in = False, 0, 0, 0

    def _commit_gathered(self) -> None:
        jobs, self._gathered = self._gathered, []
        if self.dies_in:
            self.dies_in -= 1
            if not self.dies_in:
                # Before, in the middle of or behind what would have been reported together.
                for job in jobs[: self.chance.randint(0, len(jobs))]:
                    super().submit(job.work, job.scopes, *job.rest, **job.more)  # type: ignore[safe-super]
                raise Died
        if self.fails_in:
            self.fails_in -= 1
            if not self.fails_in:
                for job in jobs:
                    job.pending.fail(self.fails_with())
                return
        self._together = len(jobs)
        done = [(job.pending, self._outcome(job)) for job in jobs]
        for pending, result in done:
            try:
                value = result.result()
            except Exception as error:
                pending.fail(error)
            else:
                pending.settle(value)

    def _outcome(self, job: _Job) -> Pending[Any]:
        if self.full:
            return Pending.failed(StoreFull())
        if self.faults:
            self.faults -= 1
            return Pending.failed(StoreFault())
        return super().submit(job.work, job.scopes, *job.rest, **job.more)  # type: ignore[safe-super]


class MemoryStore(Gathered, MemoryEngine):
    """The memory engine."""

    def reborn(self) -> MemoryStore:
        """What is found when the power is back."""
        found = MemoryStore(on_corrupt=self._on_corrupt)
        found._rows._values = dict(self._rows._values)
        found._rows._order = list(self._rows._order)
        found._rows.size = self._rows.size
        found._rows.number = self._rows.number
        return found

    def end(self) -> None:
        """It is used no more."""


class LmdbStore(Gathered, LmdbEngine):
    """LMDB; it is reborn from a copy of its file, as it lies on the disk."""

    def __init__(self, folder: Path, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # How busy the machine is must not decide how many commits there are.
        super().__init__(folder, create=True, map_size=1 << 30, clock=lambda: 0.0, **options)

    def reborn(self) -> LmdbStore:
        name, _, number = self.folder.name.partition("-")
        folder = self.folder.with_name(f"{name}-{int(number or 0) + 1}")
        folder.mkdir()
        shutil.copy(self.folder / "data.mdb", folder / "data.mdb")
        self.end()
        return LmdbStore(folder, on_corrupt=self._on_corrupt)

    def end(self) -> None:
        self.close()
        shutil.rmtree(self.folder)
