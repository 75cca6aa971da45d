"""The row of a user's two-step sign-in (scope of the user). Its rules are ``directory.totp``'s."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import TotpRow, decode, encode


def get(snap: Snapshot) -> TotpRow | None:
    """None for a user who has none, not even begun."""
    value = snap.get(PERMANENT, keys.TOTP)
    return decode(value, TotpRow) if value is not None else None


def put(txn: Txn, row: TotpRow) -> None:
    txn.put(PERMANENT, keys.TOTP, encode(row))


def delete(txn: Txn) -> bool:
    """Whether it was there."""
    return txn.delete(PERMANENT, keys.TOTP)
