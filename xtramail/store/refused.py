"""Who was refused by which primary, and when (scope LOG, the day's bucket): from it a restart goes on to count a surge.

Owns the rows, which go with the message log's days. What counts, and for how long, is ``delivery/refusal_guard``'s.
"""

from __future__ import annotations

from collections.abc import Iterable

from xtramail.model.bucket import CLASS_LOG, bucket_at, bucket_class
from xtramail.store import keys, log_keys
from xtramail.store.engine import Snapshot, Txn


def record(txn: Txn, domain: str, addresses: Iterable[str], at: float) -> None:
    """``at`` in seconds since 1970. Writing it again changes nothing."""
    bucket = bucket_at(at, CLASS_LOG)
    for address in addresses:
        txn.put(bucket, log_keys.refused(domain, at, address), address.encode("utf-8", "surrogatepass"))


def since(snap: Snapshot, domain: str, at: float, most: int) -> dict[str, float]:
    """When each was refused last, in seconds since 1970, not before ``at``: the newest ``most``, the oldest first."""
    low, high = log_keys.refused_from(domain, at), keys.after(log_keys.refused_prefix(domain))
    found: dict[str, float] = {}
    left = most
    for bucket in sorted((one for one in snap.buckets() if bucket_class(one) == CLASS_LOG), reverse=True):
        rows = snap.range(bucket, low, high, limit=left, reverse=True)
        for key, value in rows:
            found.setdefault(value.decode("utf-8", "surrogatepass"), log_keys.refused_at(key))
        left -= len(rows)
        if left <= 0:
            break
    return dict(reversed(found.items()))
