"""Drop marks: which buckets are dead, since when, and what that means for MODSEQ.

Owns the rows that say so (``keys.drop_mark``, ``keys.DROP_VERSION``), their reading and their writing. Does not decide
which bucket is dropped (``store/retention``) and deletes no mail (the engine's ``sweep_bucket`` does).

A mark stays after its bucket was swept: a mailbox that names the bucket still needs the stamp to tell its clients that
something is gone. The version row changes with every mark, so that an engine reads the marks only when one changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import Corrupt
from xtramail.store import checksum, keys
from xtramail.store.records import modseq_of_clock
from xtramail.store.rows import Rows, WriteRows, physical

_MARK = Struct(">QB")
_VERSION = Struct(">Q")

DROPPED = 1
SWEPT = 2


@dataclass(frozen=True, slots=True)
class DropMap:
    """All drop marks at one moment."""

    token: bytes | None
    """The version row as stored: equal tokens, equal marks."""
    stamps: Mapping[Bucket, int]
    newest: int
    swept: frozenset[Bucket]


NOTHING_DROPPED = DropMap(token=None, stamps=MappingProxyType({}), newest=0, swept=frozenset())

_PREFIX = physical(PERMANENT, keys.STORE, b"")
_VERSION_KEY = _PREFIX + keys.DROP_VERSION


def read_drops(rows: Rows, known: DropMap) -> DropMap:
    """The marks as ``rows`` has them; ``known`` again when nothing changed since."""
    token = rows.get(_VERSION_KEY)
    if token == known.token:
        return known
    stamps: dict[Bucket, int] = {}
    swept: list[Bucket] = []
    unreadable: list[Bucket] = []
    first = _PREFIX + keys.drop_mark(PERMANENT)
    for key, sealed in rows.ascending(first):
        mark = key[len(_PREFIX) :]
        if not keys.is_drop_mark(mark):
            if key == _VERSION_KEY:
                continue
            break
        bucket = Bucket(keys.drop_mark_bucket(mark))
        try:
            stamps[bucket], state = _MARK.unpack(checksum.unseal(key, sealed))
        except Corrupt:
            unreadable.append(bucket)
            continue
        if state == SWEPT:
            swept.append(bucket)
    newest = max(stamps.values(), default=0)
    # A mark that cannot be read still says that its bucket is gone; the newest stamp is never too low.
    stamps.update(dict.fromkeys(unreadable, newest))
    return DropMap(token=token, stamps=MappingProxyType(stamps), newest=newest, swept=frozenset(swept))


def mark_dropped(rows: WriteRows, drops: DropMap, bucket: Bucket, now_micros: int) -> int:
    """Write the mark of ``bucket``; returns its stamp, or the one it has when it was dropped before."""
    if bucket == PERMANENT:
        raise ValueError("the permanent bucket is never dropped")
    known = drops.stamps.get(bucket)
    if known is not None:
        return known
    stamp = max(now_micros, drops.newest + 1, greatest_modseq(rows) + 1)
    _write(rows, bucket, stamp, DROPPED)
    return stamp


def mark_swept(rows: WriteRows, drops: DropMap, bucket: Bucket) -> None:
    """Remember that nothing of the dropped ``bucket`` is left."""
    if bucket not in drops.swept:
        _write(rows, bucket, drops.stamps[bucket], SWEPT)


def _write(rows: WriteRows, bucket: Bucket, stamp: int, state: int) -> None:
    key = _PREFIX + keys.drop_mark(bucket)
    rows.put(key, checksum.seal(key, _MARK.pack(stamp, state)))
    try:
        sealed = rows.get(_VERSION_KEY)
        version = _VERSION.unpack(checksum.unseal(_VERSION_KEY, sealed))[0] if sealed is not None else 0
    except Corrupt:
        # Any value that was not used before will do, and the stamps only grow.
        version = stamp
    rows.put(_VERSION_KEY, checksum.seal(_VERSION_KEY, _VERSION.pack(version + 1)))


def greatest_modseq(rows: Rows) -> int:
    """The greatest MODSEQ given to any user: one seek and one get for each account."""
    greatest = 0
    prefix = PERMANENT.to_bytes(4, "big")
    at = prefix + keys.USER_PREFIX
    while (found := rows.seek(at)) is not None and found.startswith(prefix + keys.USER_PREFIX):
        scope = found[: found.index(0, 4)]
        clock = scope + b"\0" + keys.CLOCK
        sealed = rows.get(clock)
        if sealed is not None:
            # One account's unreadable clock must not stop expiry for everybody; ``verify`` reports it.
            with suppress(Corrupt):
                greatest = max(greatest, modseq_of_clock(checksum.unseal(clock, sealed)))
        at = scope + b"\1"
    return greatest
