"""Which MTA-STS policy holds for a domain now (RFC 8461 §3.3): announced by DNS, fetched by HTTPS, kept in the store.

A policy that was once seen holds until its time is over, whatever DNS and the web say meanwhile; one that cannot be
fetched and was never seen is none. Owns neither the text of a policy (``wire/mta_sts``) nor the web.
"""

from __future__ import annotations

from typing import Protocol

from xtramail.delivery.routing import NameServiceDown
from xtramail.model.clock import Clock
from xtramail.model.errors import Unavailable
from xtramail.model.pending import Pending
from xtramail.store import keys
from xtramail.store import sts_policies as rows
from xtramail.store.engine import Engine
from xtramail.store.sts_policies import StsPolicy
from xtramail.wire.dns.answer import Answer, Text
from xtramail.wire.mta_sts import StsText, policy_id

AGAIN_SECONDS = 300.0
"""Least time between two tries to fetch a policy that could not be had (RFC 8461 §3.3)."""
REFRESH_SECONDS = 86_400.0
"""A policy is fetched anew after so long even if its id stays, so that it never ends while its domain keeps it."""
_MOST_FAILED = 2_000


class NoPolicy(Unavailable):
    """The policy cannot be had."""


class Names(Protocol):
    """What a name server that is trusted says; ``net/dns_client`` is the real one."""

    def ask(self, name: str, kind: str) -> Pending[Answer]:
        """NameServiceDown when there is no answer, or one that was found bad."""


class PolicySite(Protocol):
    """Fetches policies; ``net/sts_site`` is the real one."""

    def fetch(self, domain: str) -> Pending[StsText]:
        """NoPolicy with the reason when it cannot be had, or is not well-formed."""


class StsPolicies:
    def __init__(self, *, engine: Engine, names: Names, site: PolicySite, clock: Clock) -> None:
        self._engine = engine
        self._names = names
        self._site = site
        self._clock = clock
        self._fetching: dict[str, Pending[StsText]] = {}
        self._failed: dict[str, float] = {}
        """When the next try may be."""

    async def policy(self, domain: str) -> StsText | None:
        """What holds for mail to ``domain`` (lower case, A-labels); None: nothing does. StoreFull, StoreFault."""
        kept = self._kept(domain)
        announced = await self._announced(domain)
        now = self._clock.now()
        if announced is None or self._failed.get(domain, 0.0) > now:
            return _text(kept)
        if kept is not None and kept.id == announced and 0 <= now - kept.fetched < REFRESH_SECONDS:
            return _text(kept)
        try:
            fetched = await self._fetch(domain)
        except NoPolicy:
            self._remember_failure(domain)
            return _text(kept)
        self._failed.pop(domain, None)
        now = self._clock.now()
        row = StsPolicy(
            domain=domain,
            id=announced,
            mode=fetched.mode,
            hosts=fetched.hosts,
            fetched=now,
            until=now + fetched.max_age,
        )
        if row != kept:
            await self._engine.transact(keys.STORE, lambda txn: rows.put(txn, row, now))
        return fetched

    def _kept(self, domain: str) -> StsPolicy | None:
        row = self._engine.read(keys.STORE, lambda snap: rows.sts_policy(snap, domain))
        return row if row is not None and self._clock.now() < row.until else None

    async def _announced(self, domain: str) -> str | None:
        try:
            answer = await self._names.ask(f"_mta-sts.{domain}", "TXT")
        except NameServiceDown:
            return None
        return policy_id(tuple(record.text for record in answer.of(Text)))

    async def _fetch(self, domain: str) -> StsText:
        """However many messages wait for it, it is fetched once."""
        fetching = self._fetching.get(domain)
        if fetching is None:
            fetching = self._fetching[domain] = self._site.fetch(domain)
        try:
            return await fetching
        finally:
            if fetching.done and self._fetching.get(domain) is fetching:
                del self._fetching[domain]

    def _remember_failure(self, domain: str) -> None:
        now = self._clock.now()
        if len(self._failed) >= _MOST_FAILED:
            self._failed = {name: until for name, until in self._failed.items() if until > now}
        if len(self._failed) < _MOST_FAILED:
            self._failed[domain] = now + AGAIN_SECONDS


def _text(row: StsPolicy | None) -> StsText | None:
    if row is None:
        return None
    return StsText(mode=row.mode, max_age=int(row.until - row.fetched), hosts=row.hosts)
