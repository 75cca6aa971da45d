"""Who may send as an address that is not his own (scope of the address's domain)."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class SenderRow(Record, frozen=True):
    local: str
    """As it was given; empty: any address of the domain."""
    owners: tuple[int, ...]
    """Accounts, of this domain or another."""
    created: float = 0.0


def put_sender(txn: Txn, local_key: str, row: SenderRow) -> None:
    """``local_key`` empty: any address of the domain."""
    txn.put(PERMANENT, domain_keys.sender(local_key), encode(row))


def get_sender(snap: Snapshot, local_key: str) -> SenderRow | None:
    value = snap.get(PERMANENT, domain_keys.sender(local_key))
    return decode(value, SenderRow) if value is not None else None


def senders(snap: Snapshot) -> list[SenderRow]:
    """All of a domain, that of the whole domain first."""
    rows = snap.range(PERMANENT, domain_keys.SENDERS, keys.after(domain_keys.SENDERS))
    return [decode(value, SenderRow) for _, value in rows]


def delete_sender(txn: Txn, local_key: str) -> bool:
    """Whether there was one."""
    return txn.delete(PERMANENT, domain_keys.sender(local_key))
