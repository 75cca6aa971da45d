"""Tenants: who own domains here."""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.directory.state.kind import Kind, Row, Says, Work, World, same
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.directory.tenants import check_tenant
from xtramail.model.actor import Role
from xtramail.store import keys, roles
from xtramail.store.engine import Txn
from xtramail.store.roles import TenantRow


class TenantState(Row, frozen=True):
    name: str
    note: str = ""
    contact: str = ""
    created: str = ""


class Tenants(Kind[TenantState]):
    name = "tenants"
    doc = "who own domains"
    row = TenantState
    keys = ("name",)
    of_domains = False
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[TenantState]:
        return map(state_of, world.desk.engine.read(keys.ROLES, roles.tenants))

    def key(self, row: TenantState) -> str:
        return row.name

    def domain(self, row: TenantState) -> str:
        return ""

    def tenant(self, row: TenantState) -> str:
        return row.name

    def regular(self, row: TenantState, says: Says) -> TenantState:
        says.made("created", read_moment, row.created, 0.0)
        says.made("", lambda _: check_tenant(row.name, row.note, row.contact), "", None)
        return row

    def check_removal(self, row: TenantState, world: World, says: Says) -> None:
        owned = [one.name for one in world.after("domains").values() if one.tenant == row.name]
        if owned:
            says.wrong("", f"it owns {owned[0]}; give that to another tenant, or remove it, too")
        people = [one.name for one in world.after("admins").values() if one.tenant == row.name]
        if people:
            says.wrong("", f"it has the admin {people[0]}; remove him, too")

    def write(self, before: TenantState | None, after: TenantState | None, work: Work) -> None:
        def put(txn: Txn) -> None:
            current = roles.get_tenant(txn, (after or before or TenantState(name="")).name)
            same(None if current is None else state_of(current), before)
            if after is None:
                roles.delete_tenant(txn, before.name if before is not None else "")
                return
            created = kept_moment(after.created, 0.0 if current is None else current.created) or work.now
            row = TenantRow(name=after.name, created=created, note=after.note, contact=after.contact)
            roles.put_tenant(txn, row)

        work.part(keys.ROLES, put)


def state_of(row: TenantRow) -> TenantState:
    return TenantState(name=row.name, note=row.note, contact=row.contact, created=moment_text(row.created))
