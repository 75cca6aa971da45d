"""Tenants: who owns domains here, such as the customers of a provider. Only operators make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from xtramail.directory.desk import Change, Desk
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchTenant, NotPermitted
from xtramail.store import domains, keys, roles
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.roles import TenantRow

LONGEST_NAME = 63
LONGEST_NOTE = 500
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class Tenant:
    """``domains``: names of those that it owns."""

    row: TenantRow
    domains: tuple[str, ...]


def owner_of(desk: Desk, tenant: str) -> str:
    """Whose a domain is that the actor adds for ``tenant`` (empty: his own). NoSuchTenant for one he may not see."""
    if desk.actor.role is not Role.OPERATOR and not tenant:
        return desk.actor.tenant
    return find_tenant(desk, tenant).name if tenant else ""


def find_tenant(desk: Desk, name: str) -> TenantRow:
    """NoSuchTenant for one that is not there, or another's."""
    row = desk.engine.read(keys.ROLES, lambda snap: roles.get_tenant(snap, name)) if _regular(name) else None
    if row is None or not _sees(desk, row):
        raise _missing(name)
    return row


def list_tenants(desk: Desk) -> list[Tenant]:
    """Those that the actor may see, by name."""
    owned = desk.domains()
    return [
        Tenant(row=row, domains=tuple(one.name for one in owned if one.tenant == row.name))
        for row in desk.engine.read(keys.ROLES, roles.tenants)
        if _sees(desk, row)
    ]


async def add_tenant(desk: Desk, name: str, *, note: str = "", contact: str = "") -> TenantRow:
    """``name``: a word such as ``acme``. AlreadyExists; BadInput names the field and its rule."""
    desk.require(Role.OPERATOR, "tenant add")
    check_tenant(name, note, contact)
    row = TenantRow(name=name, created=desk.now(), note=_note(note), contact=_contact(contact))

    def put(txn: Txn) -> None:
        if roles.get_tenant(txn, name) is not None:
            raise AlreadyExists(f"tenant {name} exists already; change it with: xtramail tenant set {name}")
        roles.put_tenant(txn, row)

    await desk.change(Change("tenant add", name, tenant=name, after=tenant_told(row)), [(keys.ROLES, put)])
    return row


def check_tenant(name: str, note: str, contact: str) -> None:
    """BadInput names the field and its rule."""
    if not _regular(name):
        raise BadInput(f"tenant {name!r}: 1 to {LONGEST_NAME} of a to z, 0 to 9 and -, such as acme")
    _note(note)
    _contact(contact)


async def set_tenant(desk: Desk, name: str, *, note: str | None = None, contact: str | None = None) -> TenantRow:
    """What is given changes; empty: none. NoSuchTenant, BadInput."""
    find_tenant(desk, name)
    desk.require(Role.OPERATOR, f"tenant {name}")
    fields: dict[str, str] = {}
    if note is not None:
        fields["note"] = _note(note)
    if contact is not None:
        fields["contact"] = _contact(contact)
    told = Change("tenant set", name, tenant=name)

    def change(txn: Txn) -> TenantRow:
        current = roles.get_tenant(txn, name)
        if current is None:
            raise _missing(name)
        changed = replace(current, **fields)
        roles.put_tenant(txn, changed)
        told.before, told.after = tenant_told(current), tenant_told(changed)
        return changed

    results = await desk.change(told, [(keys.ROLES, change)])
    changed: TenantRow = results[0]
    return changed


async def remove_tenant(desk: Desk, name: str) -> None:
    """NoSuchTenant; NotPermitted while it owns domains, or has admins or tokens."""
    row = find_tenant(desk, name)
    desk.require(Role.OPERATOR, f"tenant {name}")
    owned = [one.name for one in domains.domain_rows(desk.engine) if one.tenant == name]
    if owned:
        raise NotPermitted(
            f"tenant {name} owns {', '.join(owned[:10])}{' and more' if len(owned) > 10 else ''}; give them to another "
            f"with: xtramail domain set NAME tenant=OTHER, or remove them first"
        )

    def take(txn: Txn) -> None:
        people = [one.name for one in roles.admins(txn) if one.tenant == name]
        if people:
            raise NotPermitted(f"tenant {name} has the admins {', '.join(people[:10])}; remove them first")
        for mark, token in roles.tokens(txn):
            if token.tenant == name:
                roles.delete_token(txn, mark)
        roles.delete_tenant(txn, name)

    await desk.change(Change("tenant remove", name, tenant=name, before=tenant_told(row)), [(keys.ROLES, take)])


def still_there(tenant: str) -> Callable[[Snapshot], None]:
    """For the transaction (scope ROLES) that gives a domain to ``tenant``: NoSuchTenant when that went meanwhile."""

    def look(snap: Snapshot) -> None:
        if tenant and roles.get_tenant(snap, tenant) is None:
            raise _missing(tenant)

    return look


def tenant_told(row: TenantRow) -> dict[str, str | int | float | bool | None]:
    """What an audit row says of a tenant."""
    return {"note": row.note, "contact": row.contact}


def _sees(desk: Desk, row: TenantRow) -> bool:
    match desk.actor.role:
        case Role.OPERATOR:
            return True
        case Role.TENANT:
            return row.name == desk.actor.tenant
        case _:
            return False


def _missing(name: str) -> NoSuchTenant:
    return NoSuchTenant(f"tenant {name} does not exist; see: xtramail tenant list")


def _regular(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and _LETTERS.issuperset(name)


def _note(value: str) -> str:
    if not (value == "" or value.isprintable()) or len(value) > LONGEST_NOTE:
        raise BadInput(f"note: one line of at most {LONGEST_NOTE} characters")
    return value.strip()


def _contact(value: str) -> str:
    return str(Address.parse(value)) if value else ""
