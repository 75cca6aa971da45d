"""Where single addresses of a domain live, when not where the domain's others do (scope of the domain)."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class PlaceRow(Record, frozen=True):
    local: str
    """As it was given."""
    hosts: tuple[tuple[str, int, int], ...] = ()
    """Host, port and priority, in the order in which they are tried; empty: it lives here, and is handed to nobody."""
    created: float = 0.0


def put_place(txn: Txn, local_key: str, row: PlaceRow) -> None:
    txn.put(PERMANENT, domain_keys.place(local_key), encode(row))


def get_place(snap: Snapshot, local_key: str) -> PlaceRow | None:
    """None: where its domain's others live."""
    value = snap.get(PERMANENT, domain_keys.place(local_key))
    return decode(value, PlaceRow) if value is not None else None


def places(snap: Snapshot) -> list[PlaceRow]:
    """All of a domain, by local key."""
    rows = snap.range(PERMANENT, domain_keys.PLACES, keys.after(domain_keys.PLACES))
    return [decode(value, PlaceRow) for _, value in rows]


def delete_place(txn: Txn, local_key: str) -> bool:
    """Whether there was one."""
    return txn.delete(PERMANENT, domain_keys.place(local_key))


def forget_here(txn: Txn, local_key: str) -> None:
    """Who lived here is no more; a place elsewhere stays."""
    row = get_place(txn, local_key)
    if row is not None and not row.hosts:
        delete_place(txn, local_key)
