"""Tenants, admins and their tokens (scope ROLES): rows alone. Their rules are ``directory``'s."""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys, role_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class TenantRow(Record, frozen=True):
    """Who owns domains here, such as a customer."""

    name: str
    created: float
    note: str = ""
    contact: str = ""
    """An address."""


class AdminRow(Record, frozen=True):
    """A person who administrates."""

    name: str
    """An ``Address.key``, wherever that is."""
    role: str
    """A ``model.actor.Role``, USER not among them."""
    created: float
    tenant: str = ""
    """Of a tenant admin, and of a domain admin whose domains are a tenant's."""
    domains: tuple[str, ...] = ()
    """Domain keys of a domain admin."""
    password: str = ""
    """As ``Account.password``."""
    password_changed: float = 0.0
    status: str = "active"
    """Or ``disabled``."""


class TokenRow(Record, frozen=True):
    """What a program comes by, without the secret: its keyed hash is the row's key."""

    id: str
    """By which people name it; opens nothing."""
    label: str
    owner: str
    """An admin's name or a user's ``Address.key``, with whom it goes; empty: the operator at the command line."""
    maker: str
    role: str
    created: float
    expires: float
    """0: never."""
    key_id: str
    """Of the server key that made the hash."""
    write: bool
    tenant: str = ""
    domains: tuple[str, ...] = ()
    """Of a domain admin's."""
    account_id: int = 0
    """Of a user's."""


def put_tenant(txn: Txn, row: TenantRow) -> None:
    """New or changed."""
    txn.put(PERMANENT, role_keys.tenant(row.name), encode(row))


def get_tenant(snap: Snapshot, name: str) -> TenantRow | None:
    value = snap.get(PERMANENT, role_keys.tenant(name))
    return decode(value, TenantRow) if value is not None else None


def delete_tenant(txn: Txn, name: str) -> bool:
    """Whether it was there."""
    return txn.delete(PERMANENT, role_keys.tenant(name))


def tenants(snap: Snapshot) -> list[TenantRow]:
    """By name."""
    rows = snap.range(PERMANENT, role_keys.TENANTS, keys.after(role_keys.TENANTS))
    return [decode(value, TenantRow) for _, value in rows]


def put_admin(txn: Txn, row: AdminRow) -> None:
    """New or changed."""
    txn.put(PERMANENT, role_keys.admin(row.name), encode(row))


def get_admin(snap: Snapshot, name: str) -> AdminRow | None:
    value = snap.get(PERMANENT, role_keys.admin(name))
    return decode(value, AdminRow) if value is not None else None


def delete_admin(txn: Txn, name: str) -> bool:
    """With all that is his; whether he was there."""
    for mark, row in tokens(txn):
        if row.owner == name:
            delete_token(txn, mark)
    return txn.delete(PERMANENT, role_keys.admin(name))


def admins(snap: Snapshot) -> list[AdminRow]:
    """By name."""
    rows = snap.range(PERMANENT, role_keys.ADMINS, keys.after(role_keys.ADMINS))
    return sorted((decode(value, AdminRow) for _, value in rows), key=lambda row: row.name)


def forget_domain(txn: Txn, name: str) -> None:
    """It is served no more, or another's: nobody gets it back when one of its name comes again."""
    for row in admins(txn):
        if name in row.domains:
            put_admin(txn, replace(row, domains=tuple(one for one in row.domains if one != name)))
    for mark, token in tokens(txn):
        if token.owner.endswith(f"@{name}") and token.account_id:
            delete_token(txn, mark)
        elif name in token.domains:
            put_token(txn, mark, replace(token, domains=tuple(one for one in token.domains if one != name)))


def forget_user(txn: Txn, address_key: str) -> None:
    """His tokens go with him."""
    for mark, token in tokens(txn):
        if token.owner == address_key and token.account_id:
            delete_token(txn, mark)


def put_token(txn: Txn, mark: bytes, row: TokenRow) -> None:
    txn.put(PERMANENT, role_keys.token(mark), encode(row))


def get_token(snap: Snapshot, mark: bytes) -> TokenRow | None:
    value = snap.get(PERMANENT, role_keys.token(mark))
    return decode(value, TokenRow) if value is not None else None


def delete_token(txn: Txn, mark: bytes) -> bool:
    """Whether it was there."""
    return txn.delete(PERMANENT, role_keys.token(mark))


def tokens(snap: Snapshot) -> list[tuple[bytes, TokenRow]]:
    """Mark and row, the oldest first."""
    rows = snap.range(PERMANENT, role_keys.TOKENS, keys.after(role_keys.TOKENS))
    found = [(role_keys.token_mark(key), decode(value, TokenRow)) for key, value in rows]
    return sorted(found, key=lambda one: (one[1].created, one[1].id))
