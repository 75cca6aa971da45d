"""Physical rows: what an engine's storage must be able to do below scopes, buckets and checksums.

Owns the layout of a physical key (bucket u32 big-endian, scope, NUL, key) and the interface between ``snapshot`` (which
knows buckets and checksums) and a storage (LMDB, memory) that knows octet strings in order and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from xtramail.model.bucket import Bucket


def physical(bucket: Bucket, scope: bytes, key: bytes) -> bytes:
    """The stored key. A NUL ends the scope, so that a scope's rows never mix with those of a longer name."""
    return bucket.to_bytes(4, "big") + scope + b"\0" + key


def split(key: bytes) -> tuple[Bucket, bytes, bytes]:
    """Bucket, scope and key of a physical key; ValueError when it is none."""
    end = key.index(0, 4)
    return Bucket(int.from_bytes(key[:4], "big")), key[4:end], key[end + 1 :]


class Rows(Protocol):
    """Rows in key order, as of one moment. Values are sealed (``checksum``)."""

    def commit_number(self) -> int:
        """As ``engine.Snapshot.commit_number``."""

    def get(self, key: bytes) -> bytes | None: ...

    def seek(self, key: bytes) -> bytes | None:
        """The first key at or after ``key``."""

    def ascending(self, low: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with key >= ``low``; the caller stops when it has enough."""

    def descending(self, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with key < ``high``, the greatest first."""


class WriteRows(Rows, Protocol):
    """Rows inside a transaction."""

    def put(self, key: bytes, sealed: bytes) -> None: ...

    def put_all(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """:meth:`put` of each key and sealed value."""

    def delete(self, key: bytes) -> bool:
        """Whether it was there."""

    def delete_range(self, low: bytes, high: bytes, limit: int) -> int:
        """Delete rows with low <= key < high, at most ``limit`` (0: all); how many."""
