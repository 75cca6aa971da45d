"""The engine: an ordered key-value store addressed by (bucket, scope, key).

Owns the interface that every engine fulfils; ``tests/store/test_engine_contract.py`` is its definition in detail. Two
engines pass it: LMDB (``lmdb_engine``) and memory (``memory_engine``).

* ``bucket`` (u32): all rows that expire together; 0 is permanent (``model/bucket``).
* ``scope`` (bytes without NUL): the unit of atomicity: one user, the queue, one domain's directory (``store/keys``).
* ``key`` and ``value``: bytes. Bucket, scope and key together stay under 511 octets; values are at most 64 KiB.

Every value carries a checksum of its key and itself, added and checked by the engine: ``get`` raises Corrupt for a
value that does not match, ``range`` leaves it out and reports it to ``on_corrupt``; a wrong byte is never returned.

The rows of a dropped bucket are invisible to every Snapshot from the transaction that marked it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from xtramail.model.bucket import Bucket
from xtramail.model.pending import Pending

T = TypeVar("T")

MAX_KEY = 511
MAX_VALUE = 65_536


class Snapshot(Protocol):
    """One scope as it was at one moment. Valid only inside the function it was given to."""

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """The value, None when there is none; Corrupt when its checksum does not match."""

    def range(
        self, bucket: Bucket, low: bytes, high: bytes, *, limit: int = 0, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Rows with low <= key < high in key order (from the end when ``reverse``), at most ``limit`` (0: all)."""

    def sealed(self, bucket: Bucket, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]:
        """As ``range``, uncut: whole physical keys, and values with their checksum (which was checked) behind them.

        For listings of thousands of rows, which read values at fixed places and keys from their end.
        """

    def sealed_at(self, bucket: Bucket, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key with its checksum behind it; None where there is none, or a damaged one (reported)."""

    def buckets(self) -> list[Bucket]:
        """The live buckets (not PERMANENT, not dropped) in which any scope has a row, ascending. Costs a seek each."""

    def dropped(self) -> Mapping[Bucket, int]:
        """Drop stamp (a MODSEQ) of every bucket that was ever dropped, as of this snapshot."""

    def newest_drop(self) -> int:
        """The greatest drop stamp, 0 when nothing was dropped yet."""

    def commit_number(self) -> int:
        """Of the commit that it shows; inside a transaction, of the one that this becomes."""


class Txn(Snapshot, Protocol):
    """A Snapshot that can be written; own writes are visible. The function it is given to may run more than once."""

    def put(self, bucket: Bucket, key: bytes, value: bytes) -> None:
        """ValueError over MAX_KEY or MAX_VALUE; NoSuchMessage into a dropped bucket."""

    def put_all(self, bucket: Bucket, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """:meth:`put` of many keys and values, in less time each the nearer they are to one another and in order."""

    def delete(self, bucket: Bucket, key: bytes) -> bool:
        """Whether it was there."""

    def delete_range(self, bucket: Bucket, low: bytes, high: bytes, *, limit: int = 0) -> int:
        """Rows deleted with low <= key < high, at most ``limit`` (0: all)."""


class Peek(Protocol):
    """One scope as it was at one moment, not copied. Valid only inside the function it was given to."""

    def get(self, bucket: Bucket, key: bytes) -> Octets | None:
        """As Snapshot.get; the octets may lie in the store's own pages and are good only inside the function."""


Octets = bytes | memoryview

ReadFunction = Callable[[Snapshot], T]
PeekFunction = Callable[[Peek], T]
TxnFunction = Callable[[Txn], T]


class Engine(Protocol):
    """Reads are answered at once, in the caller's thread; writes are settled when they are durable."""

    def read(self, scope: bytes, function: ReadFunction[T]) -> T:
        """Run ``function`` on a snapshot of ``scope``; never held beyond the call."""

    def peek(self, scope: bytes, function: PeekFunction[T]) -> T:
        """As :meth:`read`, for who looks through much and keeps little of it: values are not copied."""

    def transact(self, scope: bytes, function: TxnFunction[T]) -> Pending[T]:
        """Run ``function`` and commit; settled with its result once durable.

        What ``function`` raises fails the Pending, and nothing of it is written. StoreFull and StoreFault otherwise.
        Jobs take effect in the order in which they were handed over.
        """

    def transact_all(self, parts: Sequence[tuple[bytes, TxnFunction[Any]]]) -> Pending[list[Any]]:
        """Run each function on its scope: all durable together, or none."""

    def append_body(self, bucket: Bucket, body_id: int, first: int, chunks: Sequence[bytes]) -> Pending[None]:
        """Write encoded chunks ``first``, ``first + 1``, ... of a body; durable with or before any later transaction.

        It can fail where a later transaction does not: whoever links the body waits for this first.
        """

    def read_body(self, bucket: Bucket, body_id: int, chunk: int) -> bytes | None:
        """One encoded chunk as it was written; None when it is not there (or its bucket is dropped)."""

    def newest_commit(self) -> int:
        """Number of the newest commit, whoever made it: while it is the same, so is every row. Much cheaper than a
        read."""

    def domain_writes(self) -> int:
        """While it is the same, so are the rows of all domains, whoever may have written: for what is kept in memory of
        them, which mail that comes must not make stale."""

    def lone_commit(self) -> int:
        """Number of the commit that was told of last, while or after its Pending is settled, when it was made of one
        transaction alone; 0 when several shared it, or a stranger has written since and watchers were woken."""

    def watch(self, scope: bytes, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback()`` after each commit that wrote ``scope``, in the reader's thread; returns the un-watcher.

        A hint only: "something changed, look". A foreign process's commit wakes every watcher.
        """

    def scopes(self, prefix: bytes) -> list[bytes]:
        """Scopes with rows in the permanent bucket whose name begins with ``prefix``, ascending."""

    def buckets(self) -> list[Bucket]:
        """As Snapshot.buckets, but dropped buckets that are not swept yet are included."""

    def drop_bucket(self, bucket: Bucket, now_micros: int) -> Pending[int]:
        """Mark it dropped: readers ignore it from this commit on. Settled with its drop stamp.

        The stamp is max(now, last stamp + 1, greatest MODSEQ given to any user + 1), so that it is above every MODSEQ
        that a client was ever told.
        """

    def sweep_bucket(self, bucket: Bucket, limit: int) -> Pending[int]:
        """Delete at most ``limit`` rows of a dropped bucket in one transaction, fewer where that takes long.

        Settled with how many; 0: nothing of it is left.
        """

    def poll(self) -> bool:
        """Look whether another process has committed since the last call; wakes every watcher if so."""

    def free_bytes(self) -> int:
        """What can still be written before the disk or the map is full."""

    def used_bytes(self) -> int:
        """What the store occupies."""

    def close(self) -> None:
        """Finish what was handed over, then close. Nothing may be called after it."""


def settled_in(pendings: Iterable[Pending[Any]]) -> list[Any]:
    """Results of Pendings that are all done; for tests and the command line."""
    return [pending.result() for pending in pendings]
