"""Snapshot and Txn of one scope, over any storage.

Owns what every engine must do alike: the layout of keys, checksums, limits, and that a dropped bucket's rows are
invisible. Owns neither transactions nor threads (the engines do).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from zlib_ng.zlib_ng import crc32

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import Corrupt, NoSuchMessage, StoreFault
from xtramail.store import checksum
from xtramail.store.drops import DropMap, mark_swept
from xtramail.store.engine import MAX_KEY, MAX_VALUE, Octets
from xtramail.store.rows import Rows, WriteRows

OnCorrupt = Callable[[Bucket, bytes, bytes], None]
"""Told bucket, scope and key of a row left out of a range; called in whatever thread reads."""

SWEEP_SECONDS = 0.02
"""After so much of it a sweep ends with what it has: rows that nobody read for a month are read from the disk first,
one after another, while every delivery waits."""
SWEEP_STEP = 100
"""Rows that a sweep deletes before it looks at the clock."""
_BATCH = 64
"""Rows of a long range that are taken out of storage at once."""


class ScopeSnapshot:
    """``engine.Snapshot`` of one scope."""

    __slots__ = ("_drop_source", "_drops", "_on_corrupt", "_rows", "_scope", "_suffix")

    def __init__(self, rows: Rows, scope: bytes, drop_source: Callable[[], DropMap], on_corrupt: OnCorrupt) -> None:
        """``drop_source()`` gives the drop marks as ``rows`` has them; it is asked at most once, and only if needed."""
        self._rows = rows
        self._scope = scope
        self._suffix = suffix_of(scope)
        self._drop_source = drop_source
        self._drops: DropMap | None = None
        self._on_corrupt = on_corrupt

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        if bucket and bucket in (self._drops or self._marks()).stamps:
            return None
        full = bucket.to_bytes(4, "big") + self._suffix + key
        sealed = self._rows.get(full)
        if sealed is None:
            return None
        # As checksum.unseal; a STORE passes here seven times.
        if crc32(sealed, crc32(full)) != checksum.INTACT:
            raise Corrupt(f"stored value under key {full.hex()} does not match its checksum")
        return sealed[: -checksum.SIZE]

    def range(
        self, bucket: Bucket, low: bytes, high: bytes, *, limit: int = 0, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        if bucket and bucket in self._marks().stamps:
            return []
        prefix = bucket.to_bytes(4, "big") + self._suffix
        start, end = prefix + low, prefix + high
        if start >= end:
            return []
        # The loops are written out twice, with the checksum in line: a listing passes here once for each message.
        found: list[tuple[bytes, bytes]] = []
        append = found.append
        cut = len(prefix)
        prefix_crc = crc32(prefix)
        intact, size = checksum.INTACT, checksum.SIZE
        if reverse:
            for full, sealed in self._rows.descending(end):
                if full < start:
                    break
                key = full[cut:]
                if crc32(sealed, crc32(key, prefix_crc)) != intact:
                    self._on_corrupt(bucket, self._scope, key)
                    continue
                append((key, sealed[:-size]))
                if len(found) == limit:
                    break
        else:
            for full, sealed in self._rows.ascending(start):
                if full >= end:
                    break
                key = full[cut:]
                if crc32(sealed, crc32(key, prefix_crc)) != intact:
                    self._on_corrupt(bucket, self._scope, key)
                    continue
                append((key, sealed[:-size]))
                if len(found) == limit:
                    break
        return found

    def sealed(self, bucket: Bucket, low: bytes, high: bytes) -> list[tuple[bytes, bytes]]:
        if bucket and bucket in self._marks().stamps:
            return []
        prefix = bucket.to_bytes(4, "big") + self._suffix
        end = prefix + high
        rows = self._rows.ascending(prefix + low)
        found: list[tuple[bytes, bytes]] = []
        while not found or found[-1][0] < end:
            # Some rows are read in vain at the end: a look at each key would cost more.
            batch = list(islice(rows, _BATCH))
            found += batch
            if len(batch) < _BATCH:
                break
        while found and found[-1][0] >= end:
            found.pop()
        checks = [crc32(sealed, crc32(full)) for full, sealed in found]
        if checks.count(checksum.INTACT) == len(found):
            return found
        return [row for row in found if self._intact(bucket, *row)]

    def sealed_at(self, bucket: Bucket, keys: Sequence[bytes]) -> list[bytes | None]:
        if bucket and bucket in self._marks().stamps:
            return [None] * len(keys)
        prefix = bucket.to_bytes(4, "big") + self._suffix
        full_keys = [prefix + key for key in keys]
        found = list(map(self._rows.get, full_keys))
        if None not in found:
            checks = list(map(crc32, found, map(crc32, full_keys)))
            if checks.count(checksum.INTACT) == len(found):
                return found
        return [
            sealed if sealed is not None and self._intact(bucket, full, sealed) else None
            for full, sealed in zip(full_keys, found, strict=True)
        ]

    def _intact(self, bucket: Bucket, full: bytes, sealed: bytes) -> bool:
        if crc32(sealed, crc32(full)) == checksum.INTACT:
            return True
        self._on_corrupt(bucket, self._scope, full[4 + len(self._suffix) :])
        return False

    def buckets(self) -> list[Bucket]:
        dropped = self._marks().stamps
        return [bucket for bucket in stored_buckets(self._rows) if bucket not in dropped]

    def dropped(self) -> Mapping[Bucket, int]:
        return self._marks().stamps

    def newest_drop(self) -> int:
        return self._marks().newest

    def commit_number(self) -> int:
        return self._rows.commit_number()

    def _marks(self) -> DropMap:
        drops = self._drops
        if drops is None:
            drops = self._drops = self._drop_source()
        return drops


class ScopePeek:
    """``engine.Peek`` of one scope."""

    __slots__ = ("_drop_source", "_get", "_open", "_suffix")

    def __init__(
        self, get: Callable[[bytes], Octets | None], scope: bytes, drop_source: Callable[[], DropMap]
    ) -> None:
        """``get`` finds the sealed value of a physical key."""
        self._get = get
        self._suffix = suffix_of(scope)
        self._drop_source = drop_source
        self._open: dict[Bucket, tuple[bytes, int]] = {}
        """What the physical keys of a bucket that is not dropped begin with, and its CRC."""

    def get(self, bucket: Bucket, key: bytes) -> Octets | None:
        opened = self._open.get(bucket)
        if opened is None:
            if bucket and bucket in self._drop_source().stamps:
                return None
            prefix = bucket.to_bytes(4, "big") + self._suffix
            opened = self._open[bucket] = prefix, crc32(prefix)
        sealed = self._get(opened[0] + key)
        if sealed is None:
            return None
        # As checksum.unseal; a search passes here once for each message.
        if crc32(sealed, crc32(key, opened[1])) != checksum.INTACT:
            raise Corrupt(f"stored value under key {(opened[0] + key).hex()} does not match its checksum")
        return sealed[: -checksum.SIZE]


class ScopeTxn(ScopeSnapshot):
    """``engine.Txn`` of one scope."""

    __slots__ = ("_write_rows",)

    def __init__(
        self, rows: WriteRows, scope: bytes, drop_source: Callable[[], DropMap], on_corrupt: OnCorrupt
    ) -> None:
        super().__init__(rows, scope, drop_source, on_corrupt)
        self._write_rows = rows

    def put(self, bucket: Bucket, key: bytes, value: bytes) -> None:
        if bucket and bucket in (self._drops or self._marks()).stamps:
            raise NoSuchMessage("its retention time is over")
        full = bucket.to_bytes(4, "big") + self._suffix + key
        if len(full) > MAX_KEY or len(value) > MAX_VALUE:
            check_length(len(full), len(value))
        # As checksum.seal; a delivery passes here eighteen times.
        self._write_rows.put(full, value + crc32(value, crc32(full)).to_bytes(checksum.SIZE, "little"))

    def put_all(self, bucket: Bucket, rows: Sequence[tuple[bytes, bytes]]) -> None:
        if bucket and bucket in self._marks().stamps:
            raise NoSuchMessage("its retention time is over")
        prefix = bucket.to_bytes(4, "big") + self._suffix
        prefix_crc, size = crc32(prefix), checksum.SIZE
        for key, value in rows:
            if len(key) > MAX_KEY - len(prefix) or len(value) > MAX_VALUE:
                check_length(len(prefix) + len(key), len(value))
        # As checksum.seal.
        self._write_rows.put_all(
            [
                (prefix + key, value + crc32(value, crc32(key, prefix_crc)).to_bytes(size, "little"))
                for key, value in rows
            ]
        )

    def delete(self, bucket: Bucket, key: bytes) -> bool:
        if bucket and bucket in self._marks().stamps:
            return False
        return self._write_rows.delete(bucket.to_bytes(4, "big") + self._suffix + key)

    def delete_range(self, bucket: Bucket, low: bytes, high: bytes, *, limit: int = 0) -> int:
        if bucket and bucket in self._marks().stamps:
            return 0
        prefix = bucket.to_bytes(4, "big") + self._suffix
        return self._write_rows.delete_range(prefix + low, prefix + high, limit) if low < high else 0


def check_length(key: int, value: int) -> None:
    """ValueError for a physical key or a value that is too long."""
    if key > MAX_KEY:
        raise ValueError(f"a key of {key} octets with bucket and scope; {MAX_KEY} are allowed")
    if value > MAX_VALUE:
        raise ValueError(f"a value of {value} octets; {MAX_VALUE} are allowed")


def suffix_of(scope: bytes) -> bytes:
    """What follows the bucket in each physical key of ``scope``; ValueError for a scope that is no scope."""
    if not scope or b"\0" in scope:
        raise ValueError("a scope is at least one octet long and has no NUL")
    return scope + b"\0"


def stored_buckets(rows: Rows) -> list[Bucket]:
    """Every bucket but PERMANENT that has a row of any scope, ascending: one seek each."""
    found: list[Bucket] = []
    at = PERMANENT + 1
    while at <= 0xFFFF_FFFF and (key := rows.seek(at.to_bytes(4, "big"))) is not None:
        _refuse_circle(key, at.to_bytes(4, "big"))
        at = int.from_bytes(key[:4], "big")
        found.append(Bucket(at))
        at += 1
    return found


def stored_scopes(rows: Rows, prefix: bytes) -> list[bytes]:
    """Scopes with rows in the permanent bucket whose name begins with ``prefix``, ascending: one seek each."""
    found: list[bytes] = []
    permanent = PERMANENT.to_bytes(4, "big")
    at = permanent + prefix
    while (key := rows.seek(at)) is not None and key.startswith(permanent + prefix):
        _refuse_circle(key, at)
        scope = key[4 : key.index(0, 4)]
        found.append(scope)
        at = permanent + scope + b"\1"
    return found


def _refuse_circle(found: bytes, wanted: bytes) -> None:
    """Damaged pages may lead back to what was passed; whoever goes on from there never ends."""
    if found < wanted:
        raise StoreFault("The store cannot be read: its keys are out of order.")


def sweep(rows: WriteRows, drops: DropMap, bucket: Bucket, limit: int, clock: Callable[[], float]) -> int:
    """Delete at most ``limit`` rows of a bucket that is dropped, fewer once it took :data:`SWEEP_SECONDS` by ``clock``.

    With nothing left to delete (0) the mark remembers that. ValueError when it is not dropped.
    """
    if bucket not in drops.stamps:
        raise ValueError(f"bucket {bucket} is not dropped: mark it first")
    if limit < 1:
        raise ValueError("sweep at least one row at a time")
    low = bucket.to_bytes(4, "big")
    high = low + b"\xff" * MAX_KEY
    until = clock() + SWEEP_SECONDS
    deleted = step = rows.delete_range(low, high, min(SWEEP_STEP, limit))
    while step == SWEEP_STEP and deleted < limit and clock() < until:
        step = rows.delete_range(low, high, min(SWEEP_STEP, limit - deleted))
        deleted += step
    if not deleted:
        mark_swept(rows, drops, bucket)
    return deleted
