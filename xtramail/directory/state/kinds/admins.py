"""Admins: people who administrate."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from xtramail.directory.admins import ADMIN_ROLES, STATUSES
from xtramail.directory.state.given_passwords import check_hash, regular_hash
from xtramail.directory.state.kind import Kind, Row, Says, Work, World, same
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.actor import Role
from xtramail.model.address import Address, domain_key
from xtramail.store import keys, roles
from xtramail.store.engine import Txn
from xtramail.store.roles import AdminRow


class AdminState(Row, frozen=True):
    name: str
    """An address, wherever that is."""
    role: str = Role.DOMAIN.value
    tenant: str = ""
    domains: tuple[str, ...] = ()
    status: str = "active"
    password_hash: str = ""
    password_changed: str = ""
    created: str = ""


class Admins(Kind[AdminState]):
    name = "admins"
    doc = "people who administrate"
    row = AdminState
    keys = ("name",)
    secrets = frozenset({"password_hash"})
    moments = frozenset({"created", "password_changed"})
    of_domains = False
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[AdminState]:
        return map(state_of, world.desk.engine.read(keys.ROLES, roles.admins))

    def key(self, row: AdminState) -> str:
        return Address.parse(row.name).key

    def domain(self, row: AdminState) -> str:
        return ""

    def tenant(self, row: AdminState) -> str:
        return row.tenant

    def regular(self, row: AdminState, says: Says) -> AdminState:
        for name, value, choices in (
            ("role", row.role, tuple(role.value for role in ADMIN_ROLES)),
            ("status", row.status, STATUSES),
        ):
            if value not in choices:
                says.wrong(name, f"{value!r}: choose one of {', '.join(choices)}")
        for name in ("created", "password_changed"):
            says.made(name, read_moment, getattr(row, name), 0.0)
        names = {says.made("domains", domain_key, one, one) for one in row.domains}
        return replace(
            row, name=self.key(row), domains=tuple(sorted(names)), password_hash=regular_hash(row.password_hash)
        )

    def check(self, row: AdminState, before: AdminState | None, world: World, says: Says) -> None:
        check_reach(row.role, row.tenant, row.domains, world, says)
        if row.password_hash and (before is None or row.password_hash != before.password_hash):
            check_hash("password_hash", row.password_hash, world.keyring, says)

    def write(self, before: AdminState | None, after: AdminState | None, work: Work) -> None:
        name = (after or before or AdminState(name="")).name

        def put(txn: Txn) -> None:
            current = roles.get_admin(txn, name)
            same(None if current is None else state_of(current), before)
            if after is None:
                roles.delete_admin(txn, name)
                return
            old = AdminRow(name=name, role=after.role, created=0.0) if current is None else current
            changed = kept_moment(after.password_changed, old.password_changed) or work.now
            row = replace(
                old,
                role=after.role,
                tenant=after.tenant,
                domains=after.domains,
                status=after.status,
                password=after.password_hash,
                password_changed=changed,
                created=kept_moment(after.created, old.created) or work.now,
            )
            roles.put_admin(txn, row)

        work.part(keys.ROLES, put)


def check_reach(role: str, tenant: str, domains: tuple[str, ...], world: World, says: Says) -> None:
    """What goes with a role: a tenant's has a tenant, a domain admin's domains are all of one."""
    if tenant and tenant not in world.after("tenants"):
        says.wrong("tenant", f"there is no tenant {tenant!r}; add it first, or to the file")
    if role == Role.TENANT and not tenant:
        says.wrong("tenant", f"a {role} has one; name it")
    if role == Role.OPERATOR and tenant:
        says.wrong("tenant", f"an {role} has none; leave it out")
    if role != Role.DOMAIN and domains:
        says.wrong("domains", f"they are for the role {Role.DOMAIN}; leave them out")
    if role != Role.DOMAIN:
        return
    if not domains:
        says.wrong("domains", "name one or more")
    served = world.after("domains")
    for name in domains:
        if name not in served:
            says.wrong("domains", f"{name} is not served here; add it first, or to the file")
        elif served[name].tenant != tenant:
            says.wrong("domains", f"{name} is of the tenant {served[name].tenant!r}, not of {tenant!r}")


def state_of(row: AdminRow) -> AdminState:
    return AdminState(
        name=row.name,
        role=row.role,
        tenant=row.tenant,
        domains=row.domains,
        status=row.status,
        password_hash=row.password,
        password_changed=moment_text(row.password_changed),
        created=moment_text(row.created),
    )
