"""One domain's directory rows: its settings, its recipients, and what its primary said of others."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys, keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import AskedRow, DomainRow, RecipientRow, decode, encode


def put_domain(txn: Txn, row: DomainRow) -> None:
    """Write the settings, new or changed."""
    txn.put(PERMANENT, domain_keys.DOMAIN, encode(row))


def settings_changed(_txn: Txn) -> None:
    """The part of a change of any domain's settings that wakes those who watch ``keys.DOMAIN_CHANGES``."""


def get_domain(snap: Snapshot) -> DomainRow | None:
    """The settings; None when the domain is not served here."""
    value = snap.get(PERMANENT, domain_keys.DOMAIN)
    return decode(value, DomainRow) if value is not None else None


def delete_domain(txn: Txn) -> bool:
    """Remove settings, recipients and answers; whether the domain was there."""
    served = get_domain(txn) is not None
    txn.delete_range(PERMANENT, b"\x00", b"\xff")
    return served


def domain_names(engine: Engine) -> list[str]:
    """Domain keys of everything served, ascending."""
    return [row.name for row in domain_rows(engine)]


def domain_rows(engine: Engine) -> list[DomainRow]:
    """The settings of everything served, by domain key."""
    found = (engine.read(scope, get_domain) for scope in engine.scopes(keys.DOMAIN_PREFIX))
    return [row for row in found if row is not None]


def put_recipient(txn: Txn, local_key: str, row: RecipientRow) -> None:
    """``local_key`` as ``Address.local_key`` makes it."""
    txn.put(PERMANENT, domain_keys.recipient(local_key), encode(row))


def get_recipient(snap: Snapshot, local_key: str) -> RecipientRow | None:
    """The row of one recipient, None when it is not listed."""
    value = snap.get(PERMANENT, domain_keys.recipient(local_key))
    return decode(value, RecipientRow) if value is not None else None


def recipients(snap: Snapshot) -> list[tuple[str, RecipientRow]]:
    """Every recipient: local key and row, in the order of the keys."""
    rows = snap.range(PERMANENT, domain_keys.RECIPIENTS, keys.after(domain_keys.RECIPIENTS))
    return [(domain_keys.recipient_local(key), decode(value, RecipientRow)) for key, value in rows]


def delete_recipient(txn: Txn, local_key: str) -> bool:
    """Whether it was listed."""
    return txn.delete(PERMANENT, domain_keys.recipient(local_key))


def put_asked(txn: Txn, local_key: str, row: AskedRow) -> None:
    """Keep the primary's answer for a recipient."""
    txn.put(PERMANENT, domain_keys.asked(local_key), encode(row))


def get_asked(snap: Snapshot, local_key: str) -> AskedRow | None:
    """The primary's last answer, however old: look at ``until``."""
    value = snap.get(PERMANENT, domain_keys.asked(local_key))
    return decode(value, AskedRow) if value is not None else None


def delete_asked(txn: Txn, local_key: str) -> bool:
    """Forget the primary's answer; whether there was one."""
    return txn.delete(PERMANENT, domain_keys.asked(local_key))
