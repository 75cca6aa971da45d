"""When a backup was last written (scope STORE), for who asks how old it is. A backup has the time of the one before."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import decode_number, encode_number


def last_backup(snap: Snapshot) -> float | None:
    """Seconds since 1970; None when none is known."""
    value = snap.get(PERMANENT, keys.LAST_BACKUP)
    return decode_number(value) / 1_000_000 if value is not None else None


def put_last_backup(txn: Txn, at: float) -> None:
    txn.put(PERMANENT, keys.LAST_BACKUP, encode_number(keys.micros(at)))
