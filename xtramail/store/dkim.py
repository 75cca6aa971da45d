"""Keys by which a domain signs what it sends (scope of the domain); the private halves are sealed."""

from __future__ import annotations

from typing import Literal

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class DkimRow(Record, frozen=True):
    selector: str
    algorithm: Literal["rsa-sha256", "ed25519-sha256"]
    private: bytes
    """PKCS #8, sealed: useless without the server keys, which are kept outside the store."""
    key_id: str
    """Of the server key that sealed it."""
    public: bytes
    """As it is published: DER of SubjectPublicKeyInfo for RSA, 32 octets for Ed25519."""
    state: Literal["pending", "active", "retired"]
    """``pending`` signs nothing yet; ``retired`` no more, but mail that it signed may still be under way."""
    created: float
    activated: float = 0.0
    retired: float = 0.0


def put_dkim(txn: Txn, row: DkimRow) -> None:
    txn.put(PERMANENT, domain_keys.dkim(row.selector), encode(row))


def get_dkim(snap: Snapshot, selector: str) -> DkimRow | None:
    value = snap.get(PERMANENT, domain_keys.dkim(selector))
    return decode(value, DkimRow) if value is not None else None


def dkim_rows(snap: Snapshot) -> list[DkimRow]:
    """All of a domain, by selector."""
    rows = snap.range(PERMANENT, domain_keys.DKIM, keys.after(domain_keys.DKIM))
    return [decode(value, DkimRow) for _, value in rows]


def forget_dkim(txn: Txn) -> None:
    """Every key of a domain."""
    for row in dkim_rows(txn):
        delete_dkim(txn, row.selector)


def delete_dkim(txn: Txn, selector: str) -> bool:
    """Whether it was there."""
    return txn.delete(PERMANENT, domain_keys.dkim(selector))
