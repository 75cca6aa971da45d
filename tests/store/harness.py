"""The engines under one contract: opened alike, waited for alike."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from xtramail.model.bucket import Bucket
from xtramail.model.pending import Pending
from xtramail.store.engine import Engine
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.rows import physical

T = TypeVar("T")

MAKES = ("memory", "lmdb", "lmdb-thread")


class Reader:
    """Stands in for the reactor: runs what the writer thread delivers, in the test's thread."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def deliver(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def run_one(self, timeout: float = 30.0) -> None:
        self._calls.get(timeout=timeout)()

    def wait(self, pending: Pending[T]) -> T:
        """The result; TimeoutError after 30 s."""
        end = time.monotonic() + 90
        while not pending.done:
            if time.monotonic() > end:
                raise TimeoutError("not settled")
            self.run_one()
        return pending.result()


class Harness:
    """An engine and how to wait for it."""

    def __init__(self, make: str, folder: Path, **options: Any) -> None:
        self.reader = Reader()
        self.corrupt: list[tuple[int, bytes, bytes]] = []

        def on_corrupt(bucket: int, scope: bytes, key: bytes) -> None:
            self.corrupt.append((bucket, scope, key))

        self._reopen = lambda: LmdbEngine(
            folder,
            deliver=self.reader.deliver if make == "lmdb-thread" else None,
            create=True,
            on_corrupt=on_corrupt,
            **options,
        )
        self._folder = folder
        if make == "memory":
            self.engine: Engine = MemoryEngine(on_corrupt=on_corrupt, **options)
        else:
            self.engine = self._reopen()

    def done(self, pending: Pending[T]) -> T:
        return self.reader.wait(pending)

    def flip_bit(self, bucket: Bucket, scope: bytes, key: bytes) -> None:
        """One bit of a stored value turns over, as on a bad disk."""
        if isinstance(self.engine, MemoryEngine):
            self.engine.corrupt(bucket, scope, key)
            return
        self.engine.close()
        full = physical(bucket, scope, key)
        with lmdb.open(str(self._folder), map_size=1 << 30) as env, env.begin(write=True) as txn:
            sealed = txn.get(full)
            assert sealed is not None
            txn.put(full, bytes([sealed[0] ^ 1]) + sealed[1:])
        self.engine = self._reopen()
