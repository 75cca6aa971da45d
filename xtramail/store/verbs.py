"""The verbs of an engine that are the same on every storage, put down as work on physical rows.

Owns what a transaction, a body chunk or a drop means in rows. How work is run, grouped and made durable is an engine's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from xtramail.model.bucket import Bucket
from xtramail.model.pending import Pending
from xtramail.store import keys
from xtramail.store.drops import DropMap, mark_dropped
from xtramail.store.engine import PeekFunction, ReadFunction, TxnFunction
from xtramail.store.rows import WriteRows
from xtramail.store.snapshot import OnCorrupt, ScopeTxn, sweep
from xtramail.store.watchers import Watchers

T = TypeVar("T")

Work = Callable[[WriteRows, Callable[[], DropMap]], Any]
"""One job: a function of the rows and of a source of the drop marks as those rows have them."""


class EngineVerbs(ABC):
    """Base of the engines: all writes end in :meth:`submit`, which each engine has its own way of doing."""

    def __init__(self, on_corrupt: OnCorrupt, clock: Callable[[], float]) -> None:
        """``clock`` in seconds, by which a sweep ends in time; one that stands never ends it."""
        self._on_corrupt = on_corrupt
        self._clock = clock
        self._watchers = Watchers()
        self._domain_writes = 0

    @abstractmethod
    def submit(self, work: Work, scopes: Sequence[bytes] | None, octets: int = 0) -> Pending[Any]:
        """Run ``work`` and commit; wake the watchers of ``scopes`` (None: all) if it wrote.

        ``octets`` is what the job holds in memory until then.
        """

    @abstractmethod
    def read(self, scope: bytes, function: ReadFunction[T]) -> T:
        """As ``engine.Engine.read``."""

    @abstractmethod
    def peek(self, scope: bytes, function: PeekFunction[T]) -> T:
        """As ``engine.Engine.peek``."""

    def transact(self, scope: bytes, function: TxnFunction[T]) -> Pending[T]:
        def work(rows: WriteRows, drops: Callable[[], DropMap]) -> T:
            return function(ScopeTxn(rows, scope, drops, self._on_corrupt))

        return self._counted(self.submit(work, (scope,)), (scope,))

    def transact_all(self, parts: Sequence[tuple[bytes, TxnFunction[Any]]]) -> Pending[list[Any]]:
        taken = tuple(parts)

        def work(rows: WriteRows, drops: Callable[[], DropMap]) -> list[Any]:
            return [function(ScopeTxn(rows, scope, drops, self._on_corrupt)) for scope, function in taken]

        scopes = tuple(scope for scope, _ in taken)
        return self._counted(self.submit(work, scopes), scopes)

    def domain_writes(self) -> int:
        return self._domain_writes

    def _counted(self, pending: Pending[T], scopes: Sequence[bytes]) -> Pending[T]:
        """Before anybody else hears that it is done."""
        if any(scope.startswith(keys.DOMAIN_PREFIX) for scope in scopes):
            pending.when_done(self._domain_written)
        return pending

    def _domain_written(self, _done: Pending[Any]) -> None:
        self._domain_writes += 1

    def append_body(self, bucket: Bucket, body_id: int, first: int, chunks: Sequence[bytes]) -> Pending[None]:
        taken = tuple(chunks)

        def work(rows: WriteRows, drops: Callable[[], DropMap]) -> None:
            txn = ScopeTxn(rows, keys.BODY, drops, self._on_corrupt)
            for number, chunk in enumerate(taken, first):
                txn.put(bucket, keys.body_chunk(body_id, number), chunk)

        return self.submit(work, (keys.BODY,), sum(map(len, taken)))

    def read_body(self, bucket: Bucket, body_id: int, chunk: int) -> bytes | None:
        return self.read(keys.BODY, lambda snapshot: snapshot.get(bucket, keys.body_chunk(body_id, chunk)))

    def drop_bucket(self, bucket: Bucket, now_micros: int) -> Pending[int]:
        # Whoever sees mail of any bucket is concerned: everybody looks.
        return self.submit(lambda rows, drops: mark_dropped(rows, drops(), bucket, now_micros), None)

    def sweep_bucket(self, bucket: Bucket, limit: int) -> Pending[int]:
        return self.submit(lambda rows, drops: sweep(rows, drops(), bucket, limit, self._clock), ())

    def watch(self, scope: bytes, callback: Callable[[], None]) -> Callable[[], None]:
        return self._watchers.add(scope, callback)
