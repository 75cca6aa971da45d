"""Aliases (scope of a domain): whom its addresses stand for, and of which domain it is only another name."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys, keys
from xtramail.store.domains import get_domain
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import DomainRow, Record, decode, encode


class AliasRow(Record, frozen=True):
    local: str
    """As it was given; empty: every address of the domain that is not listed."""
    targets: tuple[str, ...]
    """Addresses, here or anywhere."""
    created: float = 0.0


class AliasOfRow(Record, frozen=True):
    domain: str
    """The domain whose addresses this one's are."""
    created: float = 0.0


def put_alias(txn: Txn, local_key: str, row: AliasRow) -> None:
    """``local_key`` as ``Address.local_key`` makes it, or empty."""
    txn.put(PERMANENT, domain_keys.alias(local_key), encode(row))


def get_alias(snap: Snapshot, local_key: str) -> AliasRow | None:
    value = snap.get(PERMANENT, domain_keys.alias(local_key))
    return decode(value, AliasRow) if value is not None else None


def aliases(snap: Snapshot) -> list[AliasRow]:
    """All of a domain, that for everybody else first, then by local key."""
    rows = snap.range(PERMANENT, domain_keys.ALIASES, keys.after(domain_keys.ALIASES))
    return [decode(value, AliasRow) for _, value in rows]


def catch_all(engine: Engine, domain_key: str) -> AliasRow | None:
    """Who gets what is for no listed address of a domain; None where nobody does."""
    return engine.read(keys.domain_scope(domain_key), lambda snap: get_alias(snap, ""))


def delete_alias(txn: Txn, local_key: str) -> bool:
    """Whether there was one."""
    return txn.delete(PERMANENT, domain_keys.alias(local_key))


def put_alias_of(txn: Txn, row: AliasOfRow) -> None:
    """Make the scope's domain another name of ``row.domain``."""
    txn.put(PERMANENT, domain_keys.ALIAS_OF, encode(row))


def get_alias_of(snap: Snapshot) -> AliasOfRow | None:
    """None: it is no other domain's name."""
    value = snap.get(PERMANENT, domain_keys.ALIAS_OF)
    return decode(value, AliasOfRow) if value is not None else None


def delete_alias_of(txn: Txn) -> bool:
    """Whether it was another's name."""
    return txn.delete(PERMANENT, domain_keys.ALIAS_OF)


def served_as(engine: Engine, domain_key: str) -> DomainRow | None:
    """The settings of a domain, also under another name of it; None when it is not served here, or not yet."""
    found = engine.read(keys.domain_scope(domain_key), lambda snap: get_domain(snap) or get_alias_of(snap))
    row = engine.read(keys.domain_scope(found.domain), get_domain) if isinstance(found, AliasOfRow) else found
    return None if row is None or row.unverified else row


def is_taken(engine: Engine, domain_key: str) -> bool:
    """Whether mail for a domain is ours, now or once its owner has proved that it is his."""
    row, other = engine.read(keys.domain_scope(domain_key), lambda snap: (get_domain(snap), get_alias_of(snap)))
    return row is not None or other is not None


def alias_domains(engine: Engine) -> list[tuple[str, AliasOfRow]]:
    """Every domain that is only another name, by domain key."""
    found = [(scope, engine.read(scope, get_alias_of)) for scope in engine.scopes(keys.DOMAIN_PREFIX)]
    return [(keys.domain_of_scope(scope), row) for scope, row in found if row is not None]
