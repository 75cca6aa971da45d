"""How many octets one user holds (q), by bucket, in one row beside the user's clock.

Owns that row. It says what the counters (c) of all mailboxes but Recovered add up to, so that nobody adds them up when
a message comes; what expired falls out of it by its bucket. A user without one, or with one that is damaged, has the
counters added up, and the row anew with the next change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from itertools import chain
from struct import Struct

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import Corrupt
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mailbox_rows import live_buckets
from xtramail.store.records import decode_counters

_ENTRY = Struct(">IQ")


def used_bytes(snap: Snapshot) -> int:
    """Octets of all mailboxes; expunged mail is outside the quota."""
    held = stored(snap)
    return sum((counted(snap, ()) if held is None else held).values())


def add(txn: Txn, changes: Mapping[Bucket, int]) -> None:
    """``changes`` in octets; the counters are written already."""
    if not any(changes.values()):
        return
    held = stored(txn)
    if held is None:
        held = counted(txn, changes)
    else:
        first_there = not changes.keys() <= held.keys()
        for bucket, more in changes.items():
            held[bucket] = held.get(bucket, 0) + more
        if first_there:
            held = dict(sorted(held.items()))
    if not all(held.values()):
        held = {bucket: octets for bucket, octets in held.items() if octets}
    row = struct.pack(">" + "IQ" * len(held), *chain.from_iterable(held.items()))
    txn.put(PERMANENT, keys.USAGE, row)


def recount_later(txn: Txn) -> None:
    """Counters went as a whole, read or not: have them added up with the next change."""
    txn.delete(PERMANENT, keys.USAGE)


def stored(snap: Snapshot) -> dict[Bucket, int] | None:
    """Octets of each live bucket, as the row has them; None when there is none that can be read."""
    try:
        row = snap.get(PERMANENT, keys.USAGE)
    except Corrupt:
        return None
    if row is None:
        return None
    held: dict[Bucket, int] = dict(_ENTRY.iter_unpack(row))
    for bucket in held.keys() & snap.dropped().keys():
        del held[bucket]
    return held


def counted(snap: Snapshot, more: Iterable[Bucket]) -> dict[Bucket, int]:
    """The same, added up from the counters; ``more`` are buckets that no mailbox may name yet."""
    first, end = keys.counters(keys.RECOVERED + 1), keys.after(keys.COUNTERS)
    return {
        bucket: sum(decode_counters(value).bytes for _, value in snap.range(bucket, first, end))
        for bucket in sorted({*live_buckets(snap), *more})
    }
