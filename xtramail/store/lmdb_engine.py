"""The engine on LMDB: one environment for everything, opened with LMDB's default durability and no other.

Owns the environment: how it is opened, checked, written in groups, read and closed. Keys, checksums and dropped buckets
are ``snapshot``'s, the thread is ``writer``'s.

Two ways to write. With ``deliver`` a writer thread commits groups and hands results back into the reader's thread: the
server. Without it each transaction is committed by the caller, and its Pending is done on return: the command line.
Both may have the same store open at once, in different processes.

Readers take one short transaction for each call and never keep it: a reader left open makes the file grow by all that
is written meanwhile, because LMDB cannot use a page again that somebody may still look at.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from xtramail.model.bucket import Bucket
from xtramail.model.errors import StoreBusy, StoreFault, StoreFull
from xtramail.model.pending import Pending
from xtramail.store import filesystem
from xtramail.store.commit_numbers import CommitNumbers
from xtramail.store.drops import NOTHING_DROPPED, DropMap, read_drops
from xtramail.store.engine import PeekFunction, ReadFunction
from xtramail.store.lmdb_rows import LmdbRows, LmdbWriteRows
from xtramail.store.rows import Rows
from xtramail.store.snapshot import OnCorrupt, ScopePeek, ScopeSnapshot, stored_buckets, stored_scopes
from xtramail.store.verbs import EngineVerbs, Work
from xtramail.store.writer import (
    GROUP_JOBS,
    GROUP_OCTETS,
    Defer,
    Deliver,
    Job,
    Outcome,
    Writer,
    WriterFigures,
    at_once,
    report,
)
from xtramail.telemetry.crashpoint import reach

T = TypeVar("T")

MAP_SIZE = 1 << 40
SMALLEST_MAP = 64 << 20
MAX_READERS = 1024
FULL = (lmdb.MapFullError, lmdb.TxnFullError)
ROWS_AT_ONCE = 5_000
"""Rows in one commit of ``write_store``."""
_META_PAGES = 2
RESERVE_SHARE = 20
"""A twentieth of the disk, 5 %, is the reserve when none is given."""


class _HalfDone(Exception):
    """A job failed after it had written into a transaction that it shares."""


class _NotCommitted(Exception):
    """Nothing of a transaction was kept; ``failure`` is what its jobs are told."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        self.failure = failure


_Run = Callable[["lmdb.Transaction[bytes]", Job], tuple[Outcome, int]]


class LmdbEngine(EngineVerbs):
    """``engine.Engine`` on the LMDB environment in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        deliver: Deliver | None = None,
        defer: Defer = at_once,
        create: bool = False,
        map_size: int = MAP_SIZE,
        reserve: int | None = None,
        allow_network: bool = False,
        on_corrupt: OnCorrupt = lambda bucket, scope, key: None,
        alarm: Callable[[str], None] = lambda text: None,
        group_jobs: int = GROUP_JOBS,
        group_octets: int = GROUP_OCTETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the store in ``folder``; ``create`` makes an empty one where there is none.

        ``deliver`` runs a function in the reader's thread: the server's way; None commits in the caller's thread.
        ``defer`` runs one at the end of the reader's turn, which is when the writer begins.
        ``reserve`` in octets: a commit that fails with less than that free on disk counts as StoreFull, None is 5 %.
        ``alarm(text)`` is called from the writing thread for a commit that failed for another reason.
        ``group_jobs`` and ``group_octets`` bound one commit, ``clock`` a sweep.
        StoreFault says why a store cannot be opened.
        """
        super().__init__(on_corrupt, clock)
        self._folder = folder
        self._file = os.fspath(folder / filesystem.DATA_FILE)
        self._map_size = map_size
        self._reserve = reserve
        self._alarm = alarm
        self._group_octets = group_octets
        self._deliver = deliver
        self._reader_drops: tuple[int, DropMap] = (-1, NOTHING_DROPPED)
        self._writer_drops = NOTHING_DROPPED
        self._closed = False
        self._lone_commit = 0
        self.figures = WriterFigures()
        filesystem.check_folder(folder, create=create, allow_network=allow_network)
        self._env = open_environment(folder, map_size)
        self._numbers = CommitNumbers(self._env.info()["last_txnid"])
        self._env.reader_check()
        self._writer: Writer | None = None
        if deliver is not None:
            self._writer = Writer(self._commit_group, deliver, self._tell, group_jobs, defer)

    # Reading.

    def read(self, scope: bytes, function: ReadFunction[T]) -> T:
        with self._begin() as txn:
            try:
                return function(ScopeSnapshot(LmdbRows(txn), scope, lambda: self._drops(txn), self._on_corrupt))
            except lmdb.Error as error:
                raise StoreFault(f"The store cannot be read: {error}") from error

    def peek(self, scope: bytes, function: PeekFunction[T]) -> T:
        def drops() -> DropMap:
            # They are kept, so they are read as copies.
            with self._begin() as txn:
                return self._drops(txn)

        try:
            with self._env.begin(buffers=True) as txn:
                return function(ScopePeek(txn.get, scope, drops))
        except lmdb.ReadersFullError:
            raise StoreBusy() from None
        except lmdb.Error as error:
            raise StoreFault(f"The store cannot be read: {error}") from error

    def look(self, function: Callable[[Rows], T]) -> T:
        """What ``function`` makes of the physical rows of all scopes, as they are stored."""
        with self._begin() as txn:
            try:
                return function(LmdbRows(txn))
            except lmdb.Error as error:
                raise StoreFault(f"The store cannot be read: {error}") from error

    def _drops(self, txn: lmdb.Transaction[bytes]) -> DropMap:
        """Drop marks as ``txn`` has them; read again only after another commit."""
        number = txn.id()
        cached, marks = self._reader_drops
        if cached != number:
            marks = read_drops(LmdbRows(txn), marks)
            self._reader_drops = (number, marks)
        return marks

    def scopes(self, prefix: bytes) -> list[bytes]:
        with self._begin() as txn:
            return stored_scopes(LmdbRows(txn), prefix)

    def buckets(self) -> list[Bucket]:
        with self._begin() as txn:
            return stored_buckets(LmdbRows(txn))

    def stored_rows(self, low: bytes, limit: int, octets: int = 8 << 20) -> list[tuple[bytes, bytes]]:
        """Physical rows as stored, from ``low`` on: one step of verify, at most ``limit`` rows or about ``octets``.

        StoreFault also where keys do not ascend: damaged pages may lead in a circle, and this would never end.
        """
        found: list[tuple[bytes, bytes]] = []
        with self._begin() as txn:
            try:
                for row in LmdbRows(txn).ascending(low):
                    if row[0] < low or (found and row[0] <= found[-1][0]):
                        raise StoreFault("The store cannot be read: its keys are out of order.")
                    found.append(row)
                    octets -= len(row[1])
                    if len(found) >= limit or octets <= 0:
                        break
            except lmdb.Error as error:
                raise StoreFault(f"The store cannot be read: {error}") from error
        return found

    def _begin(self) -> lmdb.Transaction[bytes]:
        try:
            return self._env.begin()
        except lmdb.ReadersFullError:
            raise StoreBusy() from None
        except lmdb.Error as error:
            raise StoreFault(f"The store cannot be read: {error}") from error

    # Writing.

    def submit(self, work: Work, scopes: Sequence[bytes] | None, octets: int = 0) -> Pending[Any]:
        job = Job(work=work, scopes=scopes, pending=Pending(), octets=octets)
        if self._writer is not None:
            self._writer.submit(job)
        else:
            self._tell(self._commit_group(iter((job,))))
        return job.pending

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        self._lone_commit = outcomes[0].commit if len(outcomes) == 1 and outcomes[0].wrote else 0
        report(outcomes, self._watchers)

    def _commit_group(self, jobs: Iterator[Job]) -> list[Outcome]:
        """Commit jobs as one, in the writing thread; one that fails takes nothing of the others away.

        Jobs run in one bare transaction, because that costs a quarter less. When one fails half-way, nothing of that
        transaction is kept, and all run again (which they may), each in a child transaction of its own. A full disk
        shows only when all is written: then each is committed alone, so that small ones find their room although a
        large one does not.
        """
        begun: list[Job] = []
        try:
            try:
                return self._commit(jobs, begun, self._run_bare)
            except _HalfDone:
                again, begun = chain(tuple(begun), jobs), []
                return self._commit(again, begun, self._run_child)
        except _NotCommitted as failed:
            if len(begun) > 1 and isinstance(failed.failure, StoreFull):
                return [outcome for job in begun for outcome in self._commit_group(iter((job,)))]
            return self._all_failed(begun, failed.failure)

    def _commit(self, jobs: Iterator[Job], begun: list[Job], run: _Run) -> list[Outcome]:
        outcomes: list[Outcome] = []
        drops_before = self._writer_drops
        octets = 0
        try:
            txn = self._env.begin(write=True)
        except lmdb.Error as error:
            begun.extend(jobs)
            raise _NotCommitted(self._failure(error)) from error
        began = time.perf_counter()
        self._numbers.begin(txn.id())
        try:
            for job in jobs:
                begun.append(job)
                outcome, grown = run(txn, job)
                outcomes.append(outcome)
                octets += grown
                reach("writer.in-group")
                if octets >= self._group_octets:
                    break
            reach("writer.before-commit")
            txn.commit()
        except BaseException as error:
            txn.abort()
            self._numbers.end(wrote=False)
            self._writer_drops = drops_before
            if not isinstance(error, lmdb.Error):
                raise
            raise _NotCommitted(self._failure(error)) from error
        self._numbers.end(wrote=any(outcome.wrote for outcome in outcomes))
        reach("writer.after-commit")
        self.figures.count(len(outcomes), octets, time.perf_counter() - began)
        return outcomes

    def _run_bare(self, txn: lmdb.Transaction[bytes], job: Job) -> tuple[Outcome, int]:
        """_HalfDone when the job failed and had written, or LMDB has given the transaction up."""
        rows = LmdbWriteRows(txn, FULL)
        try:
            value = self._work(rows, job)
        except Exception as error:
            if rows.writes or isinstance(error, lmdb.Error):
                raise _HalfDone from error
            return Outcome(job=job, error=error), 0
        return Outcome(job=job, value=value, wrote=rows.writes > 0, commit=txn.id()), rows.octets

    def _run_child(self, txn: lmdb.Transaction[bytes], job: Job) -> tuple[Outcome, int]:
        drops_before = self._writer_drops
        child = self._env.begin(write=True, parent=txn)
        rows = LmdbWriteRows(child, FULL)
        try:
            value = self._work(rows, job)
        except Exception as error:
            child.abort()
            self._writer_drops = drops_before
            fault = StoreFault(f"The store cannot be used: {error}") if isinstance(error, lmdb.Error) else error
            return Outcome(job=job, error=fault), 0
        child.commit()
        return Outcome(job=job, value=value, wrote=rows.writes > 0, commit=txn.id()), rows.octets

    def _work(self, rows: LmdbWriteRows, job: Job) -> Any:
        def drops() -> DropMap:
            self._writer_drops = read_drops(rows, self._writer_drops)
            return self._writer_drops

        value = job.work(rows, drops)
        if rows.full:
            # The function made nothing of the error; LMDB does.
            raise StoreFull()
        return value

    def _failure(self, error: lmdb.Error) -> Exception:
        """What a failed commit means; a full disk first shows as EIO, so that its errno says little."""
        free = filesystem.disk_free(self._folder)
        if isinstance(error, FULL) or free < self.reserve():
            failure: Exception = StoreFull()
        else:
            failure = StoreFault()
            self._alarm(f"a commit failed with {free} octets free: {error}")
        self._recover()
        return failure

    def _all_failed(self, jobs: Sequence[Job], error: Exception) -> list[Outcome]:
        self.figures.failed_groups += 1
        return [Outcome(job=job, error=error) for job in jobs]

    def _recover(self) -> None:
        """Open the environment again if LMDB has declared it unusable, as it does when a meta page was not written."""
        try:
            self._env.begin(write=True).abort()
            return
        except lmdb.Error:
            pass
        if self._deliver is None:
            self._reopen()
            return
        # Only the reader's thread knows that no reader is open; it waits for nothing here, so this ends.
        reopened = threading.Event()

        def reopen() -> None:
            try:
                self._reopen()
            finally:
                reopened.set()

        self._deliver(reopen)
        while not reopened.wait(0.1):
            if self._writer is None or self._writer.closing:
                return

    def _reopen(self) -> None:
        if self._closed:
            return
        self._env.close()
        try:
            self._env = open_environment(self._folder, self._map_size)
        except StoreFault as error:
            self._alarm(f"the store could not be opened again: {error}")

    # Other processes.

    def newest_commit(self) -> int:
        # The environment's own figure tells a stranger's commit before it is synced, and before reads show it: whoever
        # looked then would see the old rows, and not look again.
        with self._begin() as txn:
            return txn.id()

    def domain_writes(self) -> int:
        # Until it is told of, nobody knows what a stranger wrote, nor whether he still does.
        if self._numbers.strange(self.newest_commit):
            self._domain_writes += 1
        return self._domain_writes

    def lone_commit(self) -> int:
        return self._lone_commit

    def poll(self) -> bool:
        if not self._numbers.stranger_wrote(self.newest_commit):
            return False
        self._lone_commit = 0
        self._domain_writes += 1
        self._watchers.wake_all()
        return True

    def clear_stale_readers(self) -> int:
        """Give back the reader slots of processes that died; to be called each minute. Returns how many."""
        return self._env.reader_check()

    # Room, and the end.

    def reserve(self) -> int:
        """Octets of disk that must stay free."""
        return filesystem.disk_size(self._folder) // RESERVE_SHARE if self._reserve is None else self._reserve

    def free_bytes(self) -> int:
        """By which the file may grow, and the free pages inside of it: it never shrinks, so that they are all the room
        that expiry makes on a full disk."""
        info, tree = self._env.info(), self._env.stat()
        size = tree["psize"]
        pages = info["last_pgno"] + 1
        free = pages - tree["branch_pages"] - tree["leaf_pages"] - tree["overflow_pages"] - _META_PAGES
        grows = min(info["map_size"] - pages * size, filesystem.disk_free(self._folder))
        return max(0, grows) + max(0, free) * size

    def used_bytes(self) -> int:
        return os.stat(self._file).st_blocks * 512

    @property
    def waiting(self) -> int:
        """Jobs handed over and not begun; 0 without a writer thread."""
        return self._writer.waiting if self._writer is not None else 0

    @property
    def folder(self) -> Path:
        return self._folder

    def copy_to(self, folder: Path) -> None:
        """A consistent, compacted copy into the empty ``folder``; in any thread, while others read and write."""
        try:
            self._env.copy(str(folder), compact=True)
        except lmdb.Error as error:
            raise StoreFault(f"The store cannot be copied to {folder}: {error}") from error

    def close(self) -> None:
        if self._closed:
            return
        if self._writer is not None:
            self._writer.close()
        self._closed = True
        self._env.close()


def write_store(folder: Path, rows: Iterable[tuple[bytes, bytes]]) -> int:
    """A new store in the empty ``folder`` out of physical keys and sealed values, in any order; how many it has.

    Of a key that comes twice the first is kept.
    """
    env = open_environment(folder, MAP_SIZE)
    try:
        written, rest = 0, iter(rows)
        while batch := list(islice(rest, ROWS_AT_ONCE)):
            with env.begin(write=True) as txn, txn.cursor() as cursor:
                written += cursor.putmulti(batch, overwrite=False)[1]
        return written
    except FULL:
        raise StoreFull(f"The disk of {folder} is full.") from None
    except lmdb.Error as error:
        raise StoreFault(f"{folder} cannot be written: {error}") from error
    finally:
        env.close()


def open_environment(folder: Path, map_size: int) -> lmdb.Environment:
    """Open with default durability; the map is halved until the address space (``ulimit -v``) allows it."""
    try:
        env = lmdb.open(
            str(folder), map_size=map_size, mode=0o700, max_readers=MAX_READERS, max_spare_txns=1, lib_version=0
        )
    except lmdb.InvalidError as error:
        raise StoreFault(f"{folder} is damaged or no store ({error}): restore a backup.") from error
    except (lmdb.Error, MemoryError) as error:
        narrow = isinstance(error, (MemoryError, lmdb.MemoryError)) or "Cannot allocate memory" in str(error)
        if narrow and map_size // 2 >= SMALLEST_MAP:
            return open_environment(folder, map_size // 2)
        raise StoreFault(f"The store {folder} cannot be opened: {error}") from error
    flags = env.flags()
    if not (flags["sync"] and flags["metasync"] and flags["lock"]) or flags["writemap"] or flags["map_async"]:
        env.close()
        raise StoreFault(f"The store {folder} is not opened durably: refusing to take mail.")
    return env
