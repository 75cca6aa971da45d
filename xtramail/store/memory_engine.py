"""The engine in memory: the contract's second implementation, and the strict one.

Owns nothing durable. It is stricter than LMDB on purpose: every transaction function is run twice and must do the same
writes both times, commits can be told to fail, and settling can be paused, so that tests see what their callers do in
between.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from xtramail.model.bucket import Bucket
from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending
from xtramail.store.drops import NOTHING_DROPPED, DropMap, read_drops
from xtramail.store.engine import PeekFunction, ReadFunction
from xtramail.store.rows import physical
from xtramail.store.snapshot import (
    OnCorrupt,
    ScopePeek,
    ScopeSnapshot,
    stored_buckets,
    stored_scopes,
)
from xtramail.store.verbs import EngineVerbs, Work

T = TypeVar("T")

Write = tuple[bytes, bytes | None]


class MemoryRows:
    """``rows.WriteRows`` over a dict and a sorted list, with a journal to undo a transaction."""

    def __init__(self, capacity: int) -> None:
        self._values: dict[bytes, bytes] = {}
        self._order: list[bytes] = []
        self._capacity = capacity
        self.size = 0
        self.writes: list[Write] = []
        self._undo: list[Write] = []
        self.number = 0

    def commit_number(self) -> int:
        return self.number

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def seek(self, key: bytes) -> bytes | None:
        at = bisect_left(self._order, key)
        return self._order[at] if at < len(self._order) else None

    def ascending(self, low: bytes) -> Iterator[tuple[bytes, bytes]]:
        for at in range(bisect_left(self._order, low), len(self._order)):
            key = self._order[at]
            yield key, self._values[key]

    def descending(self, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        for at in range(bisect_left(self._order, high) - 1, -1, -1):
            key = self._order[at]
            yield key, self._values[key]

    def put(self, key: bytes, sealed: bytes) -> None:
        grown = self.size + len(sealed) - len(self._values.get(key, b"")) + (0 if key in self._values else len(key))
        if grown > self._capacity:
            raise StoreFull()
        self._undo.append((key, self._values.get(key)))
        self.writes.append((key, sealed))
        self._set(key, sealed)

    def put_all(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        for key, sealed in rows:
            self.put(key, sealed)

    def delete(self, key: bytes) -> bool:
        if key not in self._values:
            return False
        self._undo.append((key, self._values[key]))
        self.writes.append((key, None))
        self._set(key, None)
        return True

    def delete_range(self, low: bytes, high: bytes, limit: int) -> int:
        first = bisect_left(self._order, low)
        last = bisect_left(self._order, high)
        doomed = self._order[first : min(last, first + limit) if limit else last]
        for key in doomed:
            self.delete(key)
        return len(doomed)

    def undo(self) -> None:
        """Take back everything since the last :meth:`keep` or :meth:`undo`."""
        for key, value in reversed(self._undo):
            self._set(key, value)
        self.keep()

    def keep(self) -> None:
        self._undo = []
        self.writes = []

    def _set(self, key: bytes, sealed: bytes | None) -> None:
        old = self._values.pop(key, None)
        if old is not None:
            self.size -= len(old) + len(key)
        if sealed is None:
            if old is not None:
                del self._order[bisect_left(self._order, key)]
            return
        if old is None:
            insort(self._order, key)
        self._values[key] = sealed
        self.size += len(sealed) + len(key)


class MemoryEngine(EngineVerbs):
    """``engine.Engine`` for tests and simulations; settles at once unless paused."""

    def __init__(self, *, capacity: int = 1 << 40, on_corrupt: OnCorrupt = lambda bucket, scope, key: None) -> None:
        """``capacity`` in octets of keys and values; beyond it writes raise StoreFull."""
        super().__init__(on_corrupt, lambda: 0.0)
        self._rows = MemoryRows(capacity)
        self._capacity = capacity
        self._drops = NOTHING_DROPPED
        self._failures: deque[Exception] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self._paused = False
        self.commits = 0

    def read(self, scope: bytes, function: ReadFunction[T]) -> T:
        return function(ScopeSnapshot(self._rows, scope, self._drop_map, self._on_corrupt))

    def peek(self, scope: bytes, function: PeekFunction[T]) -> T:
        def get(key: bytes) -> memoryview | None:
            # As LMDB gives it, so that who takes it for bytes is found out.
            sealed = self._rows.get(key)
            return None if sealed is None else memoryview(sealed)

        return function(ScopePeek(get, scope, self._drop_map))

    def scopes(self, prefix: bytes) -> list[bytes]:
        return stored_scopes(self._rows, prefix)

    def buckets(self) -> list[Bucket]:
        return stored_buckets(self._rows)

    def newest_commit(self) -> int:
        return self._rows.number

    def lone_commit(self) -> int:
        return self._rows.number

    def poll(self) -> bool:
        return False

    def free_bytes(self) -> int:
        return self._capacity - self._rows.size

    def used_bytes(self) -> int:
        return self._rows.size

    def close(self) -> None:
        self.resume()

    # What tests do to it.

    def fail_next(self, error: Exception, times: int = 1) -> None:
        """The next ``times`` commits fail with ``error``: nothing of them is kept."""
        self._failures.extend([error] * times)

    def pause(self) -> None:
        """Take jobs but run none until :meth:`resume`, as a writer does that is still busy with a commit."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            self._waiting.popleft()()

    def corrupt(self, bucket: Bucket, scope: bytes, key: bytes) -> None:
        """Flip one bit of a stored value, as a bad disk would; KeyError when it is not there."""
        full = physical(bucket, scope, key)
        sealed = self._rows.get(full)
        if sealed is None:
            raise KeyError(key)
        self._rows.put(full, bytes([sealed[0] ^ 1]) + sealed[1:])
        self._rows.keep()
        self._rows.number += 1
        self._drops = NOTHING_DROPPED

    def contents(self) -> list[tuple[bytes, bytes]]:
        """Every stored row, sealed, in key order."""
        return list(self._rows.ascending(b""))

    def _drop_map(self) -> DropMap:
        self._drops = read_drops(self._rows, self._drops)
        return self._drops

    def _take_back(self) -> None:
        self._rows.undo()
        # What was read of drop marks inside the transaction is not true any more.
        self._drops = NOTHING_DROPPED

    def submit(self, work: Work, scopes: Sequence[bytes] | None, octets: int = 0) -> Pending[Any]:
        pending: Pending[Any] = Pending()
        if self._paused or self._waiting:
            self._waiting.append(partial(self._run, work, scopes, pending))
        else:
            self._run(work, scopes, pending)
        return pending

    def _run(self, work: Work, scopes: Sequence[bytes] | None, pending: Pending[Any]) -> None:
        self._rows.number += 1
        try:
            work(self._rows, self._drop_map)
            first = self._rows.writes
            self._take_back()
            value = work(self._rows, self._drop_map)
            if self._rows.writes != first:
                raise AssertionError("a transaction function wrote something else when it ran again")
            if self._failures:
                raise self._failures.popleft()
        except Exception as error:
            self._take_back()
            pending.fail(error)
            return
        wrote = bool(self._rows.writes)
        self._rows.keep()
        self.commits += 1
        try:
            pending.settle(value)
        finally:
            if wrote and scopes is None:
                self._watchers.wake_all()
            elif wrote and scopes:
                self._watchers.wake(scopes)
