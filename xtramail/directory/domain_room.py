"""Whether a domain's mailboxes together still have room within its quota.

The sum is that of a few seconds ago, longer ago the longer it takes to add up: it is a promise between a provider and
his customer, not a wall, and a walk through ten thousand users must not be made for every message. A domain without a
quota costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.changed_domains import ChangedDomains
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.store import domains, keys, usage
from xtramail.store.engine import Engine
from xtramail.store.records import Account

AT_LEAST = 5.0
"""Seconds for which a sum is believed; longer where adding up took more than a two-hundredth of that."""
SHARE = 200.0


def any_room(_account: Account, _octets: int) -> bool:
    """For who has no domains with a quota."""
    return True


@dataclass(frozen=True, slots=True)
class _Sum:
    used: int
    until: float


class DomainRoom:
    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._changed = ChangedDomains(engine)
        self._quotas: dict[str, int] = {}
        self._sums: dict[str, _Sum] = {}

    def fits(self, account: Account, more: int, *, times: int = 1) -> bool:
        """Whether ``more`` octets for a user of it are within ``times`` the quota of the domain."""
        rows = self._changed.rows()
        if rows is not None:
            self._quotas = {row.name: row.quota for row in rows if row.quota}
            self._sums.clear()
        if not self._quotas:
            return True
        name = Address.parse(account.address).domain_key
        quota = self._quotas.get(name, 0)
        return not quota or self._used(name) + more <= times * quota

    def took(self, account: Account, octets: int) -> None:
        """So many came for a user since the sum was made: for who brings much while it is believed."""
        name = Address.parse(account.address).domain_key
        if (known := self._sums.get(name)) is not None:
            self._sums[name] = _Sum(known.used + octets, known.until)

    def _used(self, name: str) -> int:
        began = self._clock.monotonic()
        known = self._sums.get(name)
        if known is None or known.until <= began:
            listed = self._engine.read(keys.domain_scope(name), domains.recipients)
            scopes = (keys.user_scope(row.account_id) for _, row in listed if row.account_id)
            used = sum(self._engine.read(scope, usage.used_bytes) for scope in scopes)
            ended = self._clock.monotonic()
            known = _Sum(used, ended + max(AT_LEAST, SHARE * (ended - began)))
            self._sums[name] = known
        return known.used
