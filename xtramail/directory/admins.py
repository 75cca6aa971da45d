"""Admins: people who administrate. Nobody makes, changes or removes one who may do as much as himself or more.

But operators: they make each other, and who has the store's files is one without a row here. So the last operator may
be removed: the command line is still there. Tokens of an admin (``tokens``) go with him, and rest while he is disabled.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from xtramail.directory import passwords
from xtramail.directory.desk import Change, Desk, secret_told
from xtramail.directory.keyring import Keyring
from xtramail.directory.tenants import find_tenant, still_there
from xtramail.model.actor import Actor, Role
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadCredentials, BadInput, NoSuchAdmin, NotPermitted
from xtramail.model.secret import Secret
from xtramail.store import keys, roles
from xtramail.store.engine import Engine, Txn
from xtramail.store.roles import AdminRow

ADMIN_ROLES = (Role.OPERATOR, Role.TENANT, Role.DOMAIN)
STATUSES = ("active", "disabled")


def find_admin(desk: Desk, name: str) -> AdminRow:
    """NoSuchAdmin for one that is not there, or not the actor's to see; everybody may see himself."""
    key = Address.parse(name).key
    row = desk.engine.read(keys.ROLES, lambda snap: roles.get_admin(snap, key))
    if row is None or not _sees(desk, row):
        raise _missing(key)
    return row


def list_admins(desk: Desk) -> list[AdminRow]:
    """Those that the actor may see, by name."""
    return [row for row in desk.engine.read(keys.ROLES, roles.admins) if _sees(desk, row)]


async def add_admin(
    desk: Desk, name: str, *, role: str, tenant: str = "", domains: Collection[str] = (), password: str = ""
) -> AdminRow:
    """``name`` is an address, ``password`` a hash (``passwords``; empty: cannot log in yet).

    A tenant admin has a ``tenant``, a domain admin ``domains`` that are all of one tenant or all the operator's.
    AlreadyExists, NoSuchTenant, NoSuchDomain, NotPermitted; BadInput names the field and its rule.
    """
    desk.require(Role.TENANT, "admin add")
    key = Address.parse(name).key
    given = _role(role)
    _refuse_above(desk, given)
    tenant, names = _reach(desk, given, tenant, domains)
    now = desk.now()
    row = AdminRow(
        name=key, role=given, created=now, tenant=tenant, domains=names, password=password, password_changed=now
    )

    def put(txn: Txn) -> None:
        if roles.get_admin(txn, key) is not None:
            raise AlreadyExists(f"admin {key} exists already; change it with: xtramail admin set {key}")
        roles.put_admin(txn, row)

    told = Change("admin add", key, tenant=tenant, after=admin_told(row))
    await desk.change(told, [(keys.ROLES, still_there(tenant)), (keys.ROLES, put)])
    return row


async def set_admin(
    desk: Desk,
    name: str,
    *,
    role: str | None = None,
    tenant: str | None = None,
    domains: Collection[str] | None = None,
    status: str | None = None,
) -> AdminRow:
    """Change what is given; the rules are those of :func:`add_admin`."""
    row = _managed(desk, name)
    if status is not None and status not in STATUSES:
        raise BadInput(f"status {status!r}: choose one of {', '.join(STATUSES)}")
    given = _role(row.role if role is None else role)
    _refuse_above(desk, given)
    if (role, tenant, domains) == (None, None, None):
        owner, names = row.tenant, row.domains
    else:
        wanted = (row.tenant if given is Role.TENANT else "") if tenant is None else tenant
        had = row.domains if given is Role.DOMAIN else ()
        owner, names = _reach(desk, given, wanted, had if domains is None else domains)
    told = Change("admin set", row.name, tenant=owner)

    def change(txn: Txn) -> AdminRow:
        current = roles.get_admin(txn, row.name)
        if current is None:
            raise _missing(row.name)
        changed = replace(current, role=given, tenant=owner, domains=names, status=status or current.status)
        roles.put_admin(txn, changed)
        told.before, told.after = admin_told(current), admin_told(changed, current)
        return changed

    results = await desk.change(told, [(keys.ROLES, still_there(owner)), (keys.ROLES, change)])
    changed: AdminRow = results[1]
    return changed


async def set_admin_password(desk: Desk, name: str, password: str) -> AdminRow:
    """``password`` is a hash. Everybody may change his own, but not by a token."""
    row = find_admin(desk, name)
    if row.name != desk.actor.name or desk.actor.token:
        row = _managed(desk, name)
    told, now = Change("admin passwd", row.name, tenant=row.tenant), desk.now()

    def change(txn: Txn) -> AdminRow:
        current = roles.get_admin(txn, row.name)
        if current is None:
            raise _missing(row.name)
        changed = replace(current, password=password, password_changed=now)
        roles.put_admin(txn, changed)
        told.before, told.after = admin_told(current), admin_told(changed, current)
        return changed

    results = await desk.change(told, [(keys.ROLES, change)])
    changed: AdminRow = results[0]
    return changed


async def remove_admin(desk: Desk, name: str) -> AdminRow:
    """With his tokens, for good. NoSuchAdmin, NotPermitted."""
    row = _managed(desk, name)
    told = Change("admin remove", row.name, tenant=row.tenant, before=admin_told(row))
    await desk.change(told, [(keys.ROLES, lambda txn: roles.delete_admin(txn, row.name))])
    return row


def actor_of(row: AdminRow, how: str) -> Actor:
    """Who an admin is at a desk, having come by ``how``."""
    return Actor(
        role=Role(row.role), name=row.name, how=how, tenant=row.tenant, domains=frozenset(row.domains)
    )


def actor_of_admin(engine: Engine, keyring: Keyring, name: str, password: Secret, *, dummy: str, how: str) -> Actor:
    """Who logged in under ``name``. BadCredentials, after the same work, whatever was wrong.

    Takes the work of bcrypt: call it off the reactor's thread. ``dummy``: of ``passwords.DummyHash``. Counting and
    delaying who guesses is the caller's (``guard``).
    """
    try:
        key = Address.parse(name).key
    except BadInput:
        key = ""
    row = engine.read(keys.ROLES, lambda snap: roles.get_admin(snap, key))
    good = passwords.verify(password, row.password if row is not None and row.password else dummy, keyring)
    if row is None or not row.password or not good or row.status != "active":
        raise BadCredentials()
    return actor_of(row, how)


def admin_told(row: AdminRow, before: AdminRow | None = None) -> dict[str, str | int | float | bool | None]:
    """What an audit row says of an admin that was ``before``: no secret."""
    return {
        "role": row.role,
        "tenant": row.tenant,
        "domains": ",".join(row.domains),
        "status": row.status,
        "password": secret_told(row.password, before.password if before is not None else ""),
    }


def _sees(desk: Desk, row: AdminRow) -> bool:
    if desk.actor.role in ADMIN_ROLES and row.name == desk.actor.name:
        return True
    match desk.actor.role:
        case Role.OPERATOR:
            return True
        case Role.TENANT:
            return bool(row.tenant) and row.tenant == desk.actor.tenant
        case _:
            return False


def _managed(desk: Desk, name: str) -> AdminRow:
    """Whom the actor may change."""
    row = find_admin(desk, name)
    desk.require(Role.TENANT, f"admin {row.name}")
    _refuse_above(desk, Role(row.role))
    return row


def _refuse_above(desk: Desk, role: Role) -> None:
    if desk.actor.token:
        raise NotPermitted("admins are made and changed by people, not by a token; log in yourself")
    if desk.actor.role is not Role.OPERATOR and role.reaches(desk.actor.role):
        raise NotPermitted(f"role {role}: a {desk.actor.role} makes and changes those below alone; ask an operator")


def _role(text: str) -> Role:
    for role in ADMIN_ROLES:
        if role == text:
            return role
    raise BadInput(f"role {text!r}: choose one of {', '.join(ADMIN_ROLES)}")


def _reach(desk: Desk, role: Role, tenant: str, domains: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Tenant and domains, checked: what goes with a role, and is the actor's to give."""
    if role is not Role.DOMAIN and domains:
        raise BadInput(f"domains: they are for the role {Role.DOMAIN}; a {role} has all there are")
    match role:
        case Role.OPERATOR:
            if tenant:
                raise BadInput(f"tenant: an operator has none; choose {Role.TENANT} or {Role.DOMAIN}")
            return "", ()
        case Role.TENANT:
            if not tenant:
                raise BadInput("tenant: name whose domains he is for; see: xtramail tenant list")
            return find_tenant(desk, tenant).name, ()
        case _:
            return reach_of_domains(desk, tenant, domains)


def reach_of_domains(desk: Desk, tenant: str, domains: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Whose the domains are, and their keys in order. BadInput where they are not of one tenant; NoSuchDomain."""
    if not domains:
        raise BadInput("domains: name one or more that are served here; see: xtramail domain list")
    rows = [desk.domain(name) for name in domains]
    owners = sorted({row.tenant for row in rows})
    if tenant:
        find_tenant(desk, tenant)
    if len(owners) > 1 or (tenant and owners != [tenant]):
        names = ", ".join(f"{row.name} of {row.tenant or 'the operator'}" for row in rows)
        raise BadInput(f"domains: all of one tenant{f', {tenant}' if tenant else ''}; these are {names}")
    return owners[0], tuple(sorted({row.name for row in rows}))


def _missing(name: str) -> NoSuchAdmin:
    return NoSuchAdmin(f"admin {name} does not exist; see: xtramail admin list")
