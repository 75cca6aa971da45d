"""How full mailboxes and domains are, by share of their quota, for people."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.desk import Desk
from xtramail.model.actor import Role
from xtramail.store import accounts, domains, keys, usage
from xtramail.store.engine import Snapshot


@dataclass(frozen=True, slots=True)
class UserUse:
    """``used`` and ``quota`` in octets; quota 0: none of his own."""

    address: str
    used: int
    quota: int

    @property
    def share(self) -> float | None:
        """1.0 is full; None without a quota."""
        return self.used / self.quota if self.quota else None


@dataclass(frozen=True, slots=True)
class DomainUse:
    """``users``: the fullest first, those without a quota behind them by what they hold."""

    domain: str
    used: int
    quota: int
    """Of all its users together; 0: none."""
    promised: int
    """The quotas of its users added up."""
    users: tuple[UserUse, ...]

    @property
    def share(self) -> float | None:
        return self.used / self.quota if self.quota else None


def quota_use(desk: Desk, domain: str = "") -> list[DomainUse]:
    """Of one domain, or of each that the actor sees. NoSuchDomain."""
    desk.require(Role.DOMAIN, "stats quota")
    found = []
    for row in [desk.domain(domain)] if domain else desk.domains():
        users = sorted(_users(desk, row.name), key=lambda user: (-(user.share or 0.0), -user.used, user.address))
        found.append(
            DomainUse(
                domain=row.name,
                used=sum(user.used for user in users),
                quota=row.quota,
                promised=sum(user.quota for user in users),
                users=tuple(users),
            )
        )
    return found


def _users(desk: Desk, domain: str) -> list[UserUse]:
    def read(snap: Snapshot) -> UserUse | None:
        account = accounts.get_account(snap)
        if account is None or account.kind == "list":
            return None
        return UserUse(address=account.address, used=usage.used_bytes(snap), quota=account.quota)

    listed = desk.engine.read(keys.domain_scope(domain), domains.recipients)
    each = (desk.engine.read(keys.user_scope(row.account_id), read) for _, row in listed if row.account_id)
    return [user for user in each if user is not None]
