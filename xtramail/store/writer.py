"""The writer thread: many transactions, one commit.

Owns the queue of jobs, the thread that drains it, and the way back of results into the reader's thread. Knows no
database: how a group of jobs is committed is a function it is given.

While one group is being made durable the next one gathers, so that groups grow with the load: a lone delivery waits for
nothing, a thousand at once share their fdatasync.

Both threads need Python's one lock. The writer therefore is woken when the reader is done with its turn and about to
wait: woken in the middle of it, each took the lock from the other at every call of LMDB or TLS, and a lone STORE cost a
dozen switches more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from xtramail.model.errors import StoreBusy, StoreFault
from xtramail.model.pending import Pending
from xtramail.store.verbs import Work
from xtramail.store.watchers import Watchers, run_all

GROUP_JOBS = 256
GROUP_OCTETS = 4 << 20
QUEUE_JOBS = 20_000
QUEUE_OCTETS = 256 << 20
"""Beyond these a job is refused (StoreBusy): more would only take memory while the disk is behind."""

Deliver = Callable[[Callable[[], None]], None]
"""Run a function soon in the reader's thread, such as ``reactor.callFromThread``."""

Defer = Callable[[Callable[[], None]], None]
"""Run a function at the end of the reader's turn; called in its thread."""


def at_once(function: Callable[[], None]) -> None:
    """:data:`Defer` where there are no turns."""
    function()



class Job(NamedTuple):
    """One transaction: ``work`` runs in the writer's thread and may raise; ``pending`` is settled in the reader's."""

    work: Work
    scopes: Sequence[bytes] | None
    """Whose watchers are woken; None: everybody's."""
    pending: Pending[Any]
    octets: int = 0
    """What it holds in memory, as far as known."""


class Outcome(NamedTuple):
    """What became of a job: its value, or its error."""

    job: Job
    value: Any = None
    error: Exception | None = None
    wrote: bool = False
    commit: int = 0
    """Number of the commit that it was part of."""


@dataclass(slots=True)
class WriterFigures:
    """What the writer has done since it was opened; metrics read it, nobody resets it."""

    groups: int = 0
    jobs: int = 0
    failed_groups: int = 0
    octets: int = 0
    holding: float = 0.0
    """Seconds with the write lock held, commits included."""
    longest_hold: float = 0.0

    def count(self, jobs: int, octets: int, held: float) -> None:
        """One group was committed after ``held`` seconds."""
        self.groups += 1
        self.jobs += jobs
        self.octets += octets
        self.holding += held
        self.longest_hold = max(self.longest_hold, held)


CommitGroup = Callable[[Iterator[Job]], list[Outcome]]
"""Commits the jobs it takes from the iterator (it may stop early) as one; returns an outcome for each job it took."""

Tell = Callable[[list[Outcome]], None]
"""Says in the reader's thread what became of the jobs of a group."""


def report(outcomes: Sequence[Outcome], watchers: Watchers) -> None:
    """Settle every Pending in order, then wake the watchers of what was written, each scope once.

    All are told even when a callback raises; the first error is raised at the end.
    """
    raised: list[Exception] = []
    scopes: dict[bytes, None] = {}
    everybody = False
    for (_, concerned, pending, _), value, error, wrote, _ in outcomes:
        try:
            if error is not None:
                pending.fail(error)
                continue
            pending.settle(value)
        except Exception as bug:
            raised.append(bug)
        if wrote and concerned is None:
            everybody = True
        elif wrote and concerned:
            scopes.update(dict.fromkeys(concerned))
    try:
        if everybody:
            watchers.wake_all()
        elif scopes:
            watchers.wake(scopes)
    except Exception as bug:
        raised.append(bug)
    if raised:
        raise raised[0]


class Writer:
    """The thread. ``submit`` and ``close`` belong to the reader's thread."""

    def __init__(
        self,
        commit_group: CommitGroup,
        deliver: Deliver,
        tell: Tell,
        group_jobs: int,
        defer: Defer = at_once,
    ) -> None:
        self._group_jobs = group_jobs
        self._commit_group = commit_group
        self._deliver = deliver
        self._defer = defer
        self._tell = tell
        self._turn: list[Job] = []
        """Handed over in this turn of the reader; the writer does not know of them yet."""
        self._turns: SimpleQueue[list[Job] | None] = SimpleQueue()
        """What it knows of; None: that was all."""
        self._left: Iterator[Job] = iter(())
        """Of the turn that the writer has begun to take; its own."""
        # Each is written by one thread alone, so neither needs a lock.
        self._jobs_in = self._octets_in = 0
        self._jobs_out = self._octets_out = 0
        self._closing = False
        self._outbox: deque[list[Outcome]] = deque()
        self._thread = threading.Thread(target=self._run, name="xtramail-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Hand over; fails the job's Pending with StoreBusy when too much waits already."""
        if self._closing:
            job.pending.fail(StoreFault("The store is closed."))
        elif self.waiting >= QUEUE_JOBS or self._octets_in - self._octets_out + job.octets > QUEUE_OCTETS:
            job.pending.fail(StoreBusy())
        else:
            self._jobs_in += 1
            self._octets_in += job.octets
            self._turn.append(job)
            if len(self._turn) == 1:
                self._defer(self._turn_ends)

    @property
    def waiting(self) -> int:
        """Jobs handed over and not begun."""
        return self._jobs_in - self._jobs_out

    @property
    def closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Finish what was handed over, report it, and end the thread."""
        self._closing = True
        self._turn_ends()
        self._turns.put(None)
        self._thread.join()
        self._report_all()

    def _turn_ends(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            self._turns.put(turn)

    def _run(self) -> None:
        ended = False
        while not ended:
            first = next(self._left, None)
            if first is None:
                turn = self._turns.get()
                ended = turn is None
                self._left = iter(turn or ())
                continue
            taken: list[Job] = []
            try:
                outcomes = self._commit_group(self._next_jobs(first, taken))
            except Exception as error:
                # A bug in committing: the thread goes on, and nobody is left waiting for an answer.
                outcomes = [Outcome(job=job, error=error) for job in taken]
            self._outbox.append(outcomes)
            self._deliver(self._report_all)

    def _next_jobs(self, first: Job, taken: list[Job]) -> Iterator[Job]:
        job: Job | None = first
        while job is not None:
            self._jobs_out += 1
            self._octets_out += job.octets
            taken.append(job)
            yield job
            job = self._next_job() if len(taken) < self._group_jobs else None

    def _next_job(self) -> Job | None:
        """Without waiting."""
        while (job := next(self._left, None)) is None:
            try:
                turn = self._turns.get_nowait()
            except Empty:
                return None
            if turn is None:
                # It is for whoever waits.
                self._turns.put(None)
                return None
            self._left = iter(turn)
        return job

    def _report_all(self) -> None:
        groups = []
        while self._outbox:
            groups.append(partial(self._tell, self._outbox.popleft()))
        run_all(groups)
