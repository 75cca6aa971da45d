"""Rows of one LMDB transaction: ``rows.Rows`` on a transaction that ``lmdb_engine`` opened and will end.

Imports no lmdb: what a transaction can do is told by a protocol, and its errors are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from xtramail.model.errors import StoreFull

Row = tuple[bytes, bytes]


class Cursor(Protocol):
    """A position among the rows of a transaction."""

    def set_range(self, key: bytes, /) -> bool: ...
    def key(self) -> bytes: ...
    def prev(self) -> bool: ...
    def last(self) -> bool: ...
    def delete(self) -> bool: ...
    def putmulti(self, items: Iterable[Row], /) -> tuple[int, int]: ...
    def iternext(self) -> Iterator[Row]: ...
    def iterprev(self) -> Iterator[Row]: ...


class Transaction(Protocol):
    """One transaction of LMDB that gives bytes, not buffers."""

    def id(self) -> int: ...
    def get(self, key: bytes, /) -> bytes | None: ...
    def put(self, key: bytes, value: bytes, /) -> bool: ...
    def delete(self, key: bytes, /) -> bool: ...
    def cursor(self) -> Cursor: ...


class LmdbRows:
    """``rows.Rows`` of one LMDB transaction."""

    __slots__ = ("_txn", "get")

    get: Callable[[bytes], bytes | None]
    """LMDB's own."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        self.get = txn.get

    def commit_number(self) -> int:
        return self._txn.id()

    def seek(self, key: bytes) -> bytes | None:
        return cursor.key() if (cursor := self._txn.cursor()).set_range(key) else None

    def ascending(self, low: bytes) -> Iterator[tuple[bytes, bytes]]:
        cursor = self._txn.cursor()
        return cursor.iternext() if cursor.set_range(low) else iter(())

    def descending(self, high: bytes) -> Iterator[tuple[bytes, bytes]]:
        cursor = self._txn.cursor()
        placed = cursor.prev() if cursor.set_range(high) else cursor.last()
        return cursor.iterprev() if placed else iter(())


class LmdbWriteRows(LmdbRows):
    """``rows.WriteRows`` of one LMDB write transaction, child or not."""

    __slots__ = ("_full_errors", "full", "octets", "writes")

    def __init__(self, txn: Transaction, full_errors: tuple[type[Exception], ...]) -> None:
        """``full_errors`` are what LMDB raises when its map or the transaction is full."""
        super().__init__(txn)
        self._full_errors = full_errors
        self.octets = 0
        self.writes = 0
        self.full = False

    def put(self, key: bytes, sealed: bytes) -> None:
        self.writes += 1
        self.octets += len(key) + len(sealed)
        try:
            self._txn.put(key, sealed)
        except self._full_errors:
            # The transaction is spoiled now, whatever the function makes of this error.
            self.full = True
            raise StoreFull() from None

    def put_all(self, rows: Sequence[Row]) -> None:
        self.writes += len(rows)
        self.octets += sum(map(len, chain.from_iterable(rows)))
        try:
            self._txn.cursor().putmulti(rows)
        except self._full_errors:
            self.full = True
            raise StoreFull() from None

    def delete(self, key: bytes) -> bool:
        try:
            deleted = self._txn.delete(key)
        except self._full_errors:
            self.full = True
            raise StoreFull() from None
        self.writes += deleted
        return deleted

    def delete_range(self, low: bytes, high: bytes, limit: int) -> int:
        deleted = 0
        cursor = self._txn.cursor()
        found = cursor.set_range(low)
        try:
            while found and cursor.key() < high:
                cursor.delete()
                deleted += 1
                if deleted == limit:
                    break
                # delete() leaves the cursor on the next row; behind the last one its key is empty.
                found = bool(cursor.key())
        except self._full_errors:
            self.full = True
            raise StoreFull() from None
        finally:
            self.writes += deleted
        return deleted
