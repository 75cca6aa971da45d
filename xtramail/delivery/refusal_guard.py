"""The guard against refusals that are accidents: whose mail is held for a person in place of bouncing.

A recipient is known good when he was listed, or learned from his primary, long enough ago, or when the primary took
mail for him that the log still knows of. And where many different recipients are refused within minutes, the primary
is ill, whoever they are. What a refusal says is ``refusals``'s; holding the mail is ``relay``'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from xtramail.delivery.outgoing_envelope import to_primary
from xtramail.delivery.refusals import may_be_accident
from xtramail.directory.directory import ROLE_LOCALS, Directory
from xtramail.directory.domain_settings import count, seconds, switch
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.duration import duration_text
from xtramail.model.errors import BadInput, Corrupt
from xtramail.store import domains, keys, tracking
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import DomainRow, QueueEntry
from xtramail.wire.smtp.client_events import RecipientOutcome

MOST_REMEMBERED = 1_000
"""Refused recipients of one domain that are remembered: many more than any surge needs."""


class RefusalGuard:
    """Remembers in memory who was refused lately; after a restart a surge is counted anew."""

    def __init__(self, *, engine: Engine, directory: Directory, clock: Clock) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._refused: dict[str, dict[str, float]] = {}
        """By domain: recipient, and when (monotonic) he was refused last, the oldest first."""

    def held(self, entry: QueueEntry, outcomes: Mapping[str, RecipientOutcome]) -> dict[str, str]:
        """By address: why a person has to decide about his refusal; ``outcomes`` by address of one attempt."""
        refused = [address for address, outcome in outcomes.items() if may_be_accident(outcome)]
        try:
            return self._held(entry, refused)
        except Corrupt:
            return dict.fromkeys(refused, "refused; whether it was good before cannot be read")

    def _held(self, entry: QueueEntry, refused: list[str]) -> dict[str, str]:
        domain = self._directory.domain(entry.destination) if refused and to_primary(entry) else None
        if domain is None or not domain.primaries or not switch(domain, "guard-refusals"):
            return {}
        surge = self._surge(domain, refused)
        if surge:
            return dict.fromkeys(refused, surge)
        reasons = {address: self._known(domain, address) for address in refused}
        return {address: reason for address, reason in reasons.items() if reason}

    def _surge(self, domain: DomainRow, refused: list[str]) -> str:
        """Why it is one; counts ``refused``."""
        now, window = self._clock.monotonic(), seconds(domain, "guard-window")
        known = self._refused.setdefault(domain.name, {})
        for address in refused:
            known.pop(address, None)
            known[address] = now
        for address in [one for one, at in known.items() if at <= now - window]:
            del known[address]
        while len(known) > MOST_REMEMBERED:
            del known[next(iter(known))]
        if len(known) < count(domain, "guard-surge"):
            return ""
        return f"{domain.name} refused {len(known)} recipients within {duration_text(window)}"

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
    row = domains.get_recipient(snap, local)
    if row is not None:
        return row.created
    if local in ROLE_LOCALS:
        return domain.created
    asked = domains.get_asked(snap, local)
    return asked.asked if asked is not None and asked.good else None


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
