"""Where changes are asked for: the store, who asks, and whether they may.

Every function of ``directory`` that shows or changes something for a person takes a Desk. It gets domains and accounts
from it alone: what its actor may not see is not found, with the words for what does not exist. And it changes through
it alone, so that a change and its row in the audit log are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtramail.model.actor import Actor, Role
from xtramail.model.address import Address, domain_key
from xtramail.model.clock import Clock
from xtramail.model.errors import NoSuchAccount, NoSuchDomain, NotPermitted
from xtramail.store import accounts, audit, domains, keys
from xtramail.store.engine import Engine, Txn, TxnFunction
from xtramail.store.records import Account, AuditRow, DomainRow
from xtramail.telemetry.crashpoint import reach

Told = Mapping[str, str | int | float | bool | None]
"""What an audit row says of an object: names and plain values, and ``set`` in the place of a secret."""


MOST_TOLD = 2_000
"""Characters of one value of an audit row."""


@dataclass(slots=True)
class Change:
    """What the audit row will say. The transaction fills in ``before`` and ``after``; it may run more than once."""

    what: str
    """The verb, as the command has it: ``user set``."""
    object: str
    """``ann@example.test``."""
    domain: str = ""
    """Whose admins may see the row; empty: only its tenant's and operators."""
    tenant: str = ""
    """Empty: whose the domain is."""
    before: Told | None = None
    after: Told | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """``actor`` asks, at ``clock``'s time."""

    engine: Engine
    actor: Actor
    clock: Clock

    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock.now()

    def require(self, role: Role, what: str) -> None:
        """NotPermitted for who is less than ``role``; ``what`` is named in its text."""
        if not self.actor.role.reaches(role):
            raise NotPermitted(f"{what}: this is for {_A[role]} or above; ask one")

    def require_change(self, what: str) -> None:
        """NotPermitted for who may only read. :meth:`change` asks this; who writes something before it asks first."""
        if self.actor.read_only:
            raise NotPermitted(f"{what}: {self.actor.name} may only read; use a login or token that may change")

    def require_person(self, what: str) -> None:
        """NotPermitted for a user's token: who found one could make himself a way in that outlives it."""
        if self.actor.role is Role.USER and self.actor.token:
            raise NotPermitted(f"{what}: not by a token; log in yourself")

    def sees(self, row: DomainRow) -> bool:
        """Whether the actor may know that this domain is served."""
        match self.actor.role:
            case Role.OPERATOR:
                return True
            case Role.TENANT:
                return bool(row.tenant) and row.tenant == self.actor.tenant
            case Role.DOMAIN:
                # A domain that was given to another tenant since is no more theirs.
                return row.name in self.actor.domains and row.tenant == self.actor.tenant
            case Role.USER:
                return row.name == self.actor.address.rpartition("@")[2]

    def domain(self, name: str, role: Role = Role.DOMAIN) -> DomainRow:
        """A served domain that the actor may see. NoSuchDomain; NotPermitted for who is less than ``role``."""
        row = self.engine.read(keys.domain_scope(domain_key(name)), domains.get_domain)
        if row is None or not self.sees(row):
            raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
        self.require(role, f"domain {row.name}")
        return row

    def domains(self) -> list[DomainRow]:
        """Every domain that the actor may see, by name."""
        return [row for row in domains.domain_rows(self.engine) if self.sees(row)]

    def account(self, address: Address, role: Role = Role.DOMAIN) -> Account:
        """An account that the actor may see; ``role`` USER: its own user may, too. NoSuchAccount, NotPermitted."""
        missing = NoSuchAccount(f"user {address.key} does not exist; see: xtramail user list")
        own = self.actor.role is Role.USER and self.actor.address == address.key
        if self.actor.role is Role.USER and not own:
            raise missing
        scope = keys.domain_scope(address.domain_key)
        domain = self.engine.read(scope, domains.get_domain)
        if domain is None or not self.sees(domain):
            raise missing
        row = self.engine.read(scope, lambda snap: domains.get_recipient(snap, address.local_key))
        account = self.engine.read(keys.user_scope(row.account_id), accounts.get_account) if row is not None else None
        if row is None or row.account_id == 0 or account is None:
            raise missing
        self.require(role, f"user {address.key}")
        return account

    async def change(self, change: Change, parts: Sequence[tuple[bytes, TxnFunction[Any]]]) -> list[Any]:
        """Run ``parts`` and write the audit row, in one transaction; the results of ``parts``.

        Whether the actor may is asked before, by :meth:`domain`, :meth:`account` or :meth:`require`. NotPermitted for
        who may only read. Where nothing was changed (``before`` equals ``after``, neither None) no row is written.
        """
        return await self.change_all([change], parts)

    async def change_all(
        self, changes: Sequence[Change], parts: Sequence[tuple[bytes, TxnFunction[Any]]]
    ) -> list[Any]:
        """As :meth:`change`, of many objects: a row for each of them that was changed, in this order."""
        self.require_change(changes[0].what if changes else "a change")
        tenants = {name: self._tenant_of(name) for name in {change.domain for change in changes}}

        def tell(txn: Txn) -> None:
            for change in changes:
                if change.before is None or change.before != change.after:
                    audit.append(txn, self._row(change, change.tenant or tenants.get(change.domain, "")))

        reach("desk.before-change")
        results = await self.engine.transact_all([*parts, (keys.AUDIT, tell)])
        reach("desk.after-change")
        return results[:-1]

    def _tenant_of(self, name: str) -> str:
        row = self.engine.read(keys.domain_scope(name), domains.get_domain) if name else None
        return row.tenant if row is not None else ""

    def _row(self, change: Change, tenant: str) -> AuditRow:
        before, after = change.before, change.after
        if before is not None and after is not None:
            # Only what is another now.
            names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            before = {name: before.get(name) for name in names}
            after = {name: after.get(name) for name in names}
        return AuditRow(
            at=self.now(),
            actor=self.actor.name,
            role=self.actor.role,
            how=self.actor.how,
            what=change.what,
            object=change.object,
            domain=change.domain,
            tenant=tenant,
            before=_cut(before),
            after=_cut(after),
        )


def _cut(told: Told | None) -> dict[str, str | int | float | bool | None] | None:
    """As it fits into a row: a list of a thousand addresses must not keep the change from being made."""
    if told is None:
        return None
    return {
        name: f"{value[:MOST_TOLD]}..." if isinstance(value, str) and len(value) > MOST_TOLD else value
        for name, value in told.items()
    }


def secret_told(value: str | bytes, before: str | bytes = "") -> str:
    """What stands for a secret in an audit row: ``set``, ``changed`` (where it was another one before), or nothing."""
    if not value:
        return ""
    return "changed" if before and before != value else "set"


_A = {
    Role.OPERATOR: "an operator",
    Role.TENANT: "a tenant admin",
    Role.DOMAIN: "a domain admin",
    Role.USER: "a user",
}
