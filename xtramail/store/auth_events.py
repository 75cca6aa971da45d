"""Logins and changes of what opens an account (scope LOG, the day's bucket): they go with the message log's days.

Owns the rows. What is written, and how much of it, is ``directory.auth_log``'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from xtramail.model.bucket import CLASS_LOG, bucket_at, bucket_class
from xtramail.store import keys, log_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import AuthEvent, decode, encode

_AT_ONCE = 1_000


def record(txn: Txn, event: AuthEvent) -> None:
    """Write an event. Writing it again changes nothing."""
    value = encode(event)
    key = log_keys.auth_event(event.at, blake2b(value, digest_size=8).digest())
    txn.put(bucket_at(event.at, CLASS_LOG), key, value)


def newest(snap: Snapshot, since: float = 0.0) -> Iterator[AuthEvent]:
    """All that are left, the newest first, back to ``since`` (seconds since 1970)."""
    low = log_keys.auth_events_from(since)
    for bucket in sorted((one for one in snap.buckets() if bucket_class(one) == CLASS_LOG), reverse=True):
        high = keys.after(log_keys.AUTH_EVENTS)
        while rows := snap.range(bucket, low, high, limit=_AT_ONCE, reverse=True):
            yield from (decode(value, AuthEvent) for _, value in rows)
            high = rows[-1][0]
