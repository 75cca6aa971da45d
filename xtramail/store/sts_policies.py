"""MTA-STS policies of the world's domains (scope STORE), so that a restart forgets none.

What was once promised holds until its time is over, whoever keeps us from asking again (RFC 8461 §10.2). Owns no rule
about when one is fetched: ``delivery/sts_policies`` does.
"""

from __future__ import annotations

from typing import Literal

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, decode_number, encode, encode_number

MOST = 20_000
"""Policies kept: who can make us send to many domains must not fill the store."""
_SWEPT = 50
"""Rows looked at for their end with each one that is written: more than one is written for each that ends."""


class StsPolicy(Record, frozen=True):
    domain: str
    id: str
    """As the domain's TXT record announced it."""
    mode: Literal["enforce", "testing", "none"]
    hosts: tuple[str, ...]
    fetched: float
    until: float
    """When it ends."""


def sts_policy(snap: Snapshot, domain: str) -> StsPolicy | None:
    value = snap.get(PERMANENT, keys.sts_policy(domain))
    return decode(value, StsPolicy) if value is not None else None


def count(snap: Snapshot) -> int:
    value = snap.get(PERMANENT, keys.STS_POLICIES)
    return decode_number(value) if value is not None else 0


def put(txn: Txn, row: StsPolicy, now: float, *, most: int = MOST) -> None:
    """Write one; what ended of its neighbours goes, and with too many one of them, ended or not."""
    key = keys.sts_policy(row.domain)
    low, high = keys.sts_policies()
    behind = txn.range(PERMANENT, key, high, limit=_SWEPT)
    around = behind if len(behind) == _SWEPT else [*behind, *txn.range(PERMANENT, low, key, limit=_SWEPT)]
    others = [(other, decode(value, StsPolicy)) for other, value in around if other != key]
    gone = [other for other, policy in others if policy.until <= now]
    total = count(txn) + (txn.get(PERMANENT, key) is None)
    if not gone and others and total > most:
        gone = [min(others, key=lambda one: one[1].until)[0]]
    for other in gone:
        txn.delete(PERMANENT, other)
    txn.put(PERMANENT, keys.STS_POLICIES, encode_number(total - len(gone)))
    txn.put(PERMANENT, key, encode(row))
