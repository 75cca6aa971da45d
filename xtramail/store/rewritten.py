"""Senders that were rewritten and did not fit into the new address (scope of the domain whose address it is)."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys
from xtramail.store.engine import Snapshot, Txn


def put_sender(txn: Txn, day: int, mark: bytes, sender: str, *, forget_before: int) -> None:
    """Keep ``sender`` under ``mark``; what was kept on days before ``forget_before`` goes."""
    txn.delete_range(PERMANENT, domain_keys.REWRITTEN, domain_keys.rewritten_until(max(forget_before, 0)))
    txn.put(PERMANENT, domain_keys.rewritten(day, mark), sender.encode("utf-8", "surrogatepass"))


def get_sender(snap: Snapshot, day: int, mark: bytes) -> str | None:
    """None: nothing was rewritten so on that day, or it is too long ago."""
    value = snap.get(PERMANENT, domain_keys.rewritten(day, mark))
    return value.decode("utf-8", "surrogatepass") if value is not None else None
