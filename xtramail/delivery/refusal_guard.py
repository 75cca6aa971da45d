"""The guard against refusals that are accidents: whose mail is held for a person in place of bouncing.

A recipient is known good when he was listed, or learned from his primary, long enough ago, or when the primary took
mail for him that the log still knows of. And where many different recipients are refused within minutes, the primary
is ill, whoever they are; who was refused lately is written down, so that a restart in a surge does not end it. What a
refusal says is ``refusals``'s; holding the mail is ``relay``'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from xtramail.delivery.attempt import Part
from xtramail.delivery.outgoing_envelope import to_primary
from xtramail.delivery.refusals import may_be_accident
from xtramail.directory.directory import ROLE_LOCALS, Directory
from xtramail.directory.domain_settings import count, seconds, switch
from xtramail.directory.places import domain_of
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.duration import duration_text
from xtramail.model.errors import BadInput, Corrupt
from xtramail.store import domains, keys, refused, tracking
from xtramail.store.aliases import get_alias
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import DomainRow, QueueEntry
from xtramail.wire.smtp.client_events import RecipientOutcome

MOST_REMEMBERED = 1_000
"""Refused recipients of one domain that are remembered: many more than any surge needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """``reasons``, by address: why a person has to decide about his refusal. ``counted`` for a surge."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    counted: tuple[str, ...] = ()

    def parts(self, destination: str, now: float) -> list[Part]:
        """For the commit that makes it so."""
        if not self.counted:
            return []

        def write(txn: Txn) -> None:
            refused.record(txn, destination, self.counted, now)

        return [(keys.LOG, write)]


class RefusalGuard:
    """Remembers in memory who was refused lately; of the time before it began it reads that once for each domain."""

    def __init__(self, *, engine: Engine, directory: Directory, clock: Clock) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._refused: dict[str, dict[str, float]] = {}
        """By domain: recipient, and when (monotonic) he was refused last, the oldest first."""

    def held(self, entry: QueueEntry, outcomes: Mapping[str, RecipientOutcome]) -> Guarded:
        """``outcomes`` by address, of one attempt."""
        addresses = tuple(address for address, outcome in outcomes.items() if may_be_accident(outcome))
        try:
            return self._held(entry, addresses)
        except Corrupt:
            return Guarded(reasons=dict.fromkeys(addresses, "refused; whether it was good before cannot be read"))

    def _held(self, entry: QueueEntry, addresses: tuple[str, ...]) -> Guarded:
        domain = self._directory.domain(domain_of(entry.destination)) if addresses and to_primary(entry) else None
        if domain is None or not switch(domain, "guard-refusals"):
            return Guarded()
        surge = self._surge(domain, addresses)
        if surge:
            return Guarded(reasons=dict.fromkeys(addresses, surge), counted=addresses)
        reasons = {address: self._known(domain, address) for address in addresses}
        return Guarded(
            reasons={address: reason for address, reason in reasons.items() if reason}, counted=addresses
        )

    def _surge(self, domain: DomainRow, addresses: tuple[str, ...]) -> str:
        """Why it is one; counts ``addresses``."""
        now, window = self._clock.monotonic(), seconds(domain, "guard-window")
        if domain.name not in self._refused:
            self._refused[domain.name] = self._before(domain, window)
        known = self._refused[domain.name]
        for address in addresses:
            known.pop(address, None)
            known[address] = now
        for address in [one for one, at in known.items() if at <= now - window]:
            del known[address]
        while len(known) > MOST_REMEMBERED:
            del known[next(iter(known))]
        if len(known) < count(domain, "guard-surge"):
            return ""
        return f"{domain.name} refused {len(known)} recipients within {duration_text(window)}"

    def _before(self, domain: DomainRow, window: float) -> dict[str, float]:
        """Who was refused within ``window`` before this server began."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        read = partial(refused.since, domain=domain.name, at=now - window, most=MOST_REMEMBERED)
        # What a clock that was put back says of the future happened now at the latest.
        return {address: monotonic - max(now - at, 0.0) for address, at in self._engine.read(keys.LOG, read).items()}

    def _known(self, domain: DomainRow, address: str) -> str:
        """Since when the recipient is known to be good, in words; empty when he is not."""
        try:
            local = Address.parse(address).local_key
        except BadInput:
            return ""
        since = self._engine.read(keys.domain_scope(domain.name), lambda snap: _listed(snap, local, domain))
        if since is not None and since <= self._clock.now() - seconds(domain, "guard-known"):
            return f"refused, though known since {_day(since)}"
        taken = self._engine.read(keys.LOG, lambda snap: tracking.last_delivered(snap, address))
        return f"refused, though {domain.name} took mail for it on {_day(taken)}" if taken is not None else ""


def _listed(snap: Snapshot, local: str, domain: DomainRow) -> float | None:
    """When the recipient was listed or learned."""
    row = domains.get_recipient(snap, local) or get_alias(snap, local)
    if row is not None:
        return row.created
    if local in ROLE_LOCALS:
        return domain.created
    asked = domains.get_asked(snap, local)
    return asked.asked if asked is not None and asked.good else None


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
