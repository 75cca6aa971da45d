"""Mirrors (scope of a domain): whose mail is kept beside, in which account's mailbox, and for how many days."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class MirrorRow(Record, frozen=True):
    id: int
    local: str
    """Local key of the one address; empty: the whole domain."""
    into: int
    """Account whose INBOX gets the copies; 0: each user's own mailbox."""
    retention_class: int = 0
    """0: the domain's own."""
    days: int = 0
    """Of that class; 0: the domain's."""
    created: float = 0.0


def put_mirror(txn: Txn, row: MirrorRow) -> None:
    txn.put(PERMANENT, domain_keys.mirror(row.id), encode(row))


def mirrors(snap: Snapshot) -> list[MirrorRow]:
    """Of one domain, in the order in which they were made."""
    rows = snap.range(PERMANENT, domain_keys.MIRRORS, keys.after(domain_keys.MIRRORS))
    return [decode(value, MirrorRow) for _, value in rows]


def mirrors_for(snap: Snapshot, local_key: str) -> list[MirrorRow]:
    """Those that an address of the domain has a part in."""
    return [row for row in mirrors(snap) if row.local in ("", local_key)]


def delete_mirror(txn: Txn, number: int) -> bool:
    """Whether it was there. What it kept goes with its days."""
    return txn.delete(PERMANENT, domain_keys.mirror(number))
