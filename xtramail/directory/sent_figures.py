"""Who sent how much to the world in the last hour and day, for people."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.desk import Desk
from xtramail.directory.sending_limits import limit_of
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.store import accounts, blocks, keys, rates, sending_keys
from xtramail.store.rates import Sent


@dataclass(frozen=True, slots=True)
class SenderFigures:
    name: str
    """A user's address, or the domain that hosts send for."""
    domain: str
    hour: Sent
    day: Sent
    per_hour: int
    """Most recipients; 0: any number, or the limit is the domain's ``relay-rate``."""
    blocked: bool = False


def sent_lately(desk: Desk, domain: str = "") -> list[SenderFigures]:
    """Of one domain, or of all that the actor sees, who sent most in the last day first. NoSuchDomain."""
    desk.require(Role.DOMAIN, "stats senders")
    rows = {row.name: row for row in ([desk.domain(domain)] if domain else desk.domains())}
    now, found = desk.now(), []
    closed = {row.account_id for row in desk.engine.read(keys.SENDING, blocks.blocks)}
    for key, row in desk.engine.read(keys.SENDING, rates.senders):
        hour, day = rates.last_hour(row, now), rates.last_day(row, now)
        if key[:1] == sending_keys.DOMAINS:
            name = sending_keys.domain_of(key)
            if name in rows and day != Sent():
                found.append(SenderFigures(name=name, domain=name, hour=hour, day=day, per_hour=0))
            continue
        account_id = sending_keys.user_of(key)
        account = desk.engine.read(keys.user_scope(account_id), accounts.get_account)
        owner = None if account is None else rows.get(Address.parse(account.address).domain_key)
        if account is None or owner is None or (day == Sent() and account_id not in closed):
            continue
        found.append(
            SenderFigures(
                name=account.address,
                domain=owner.name,
                hour=hour,
                day=day,
                per_hour=limit_of(owner, account).per_hour,
                blocked=account_id in closed,
            )
        )
    return sorted(found, key=lambda one: (-one.day.recipients, -one.hour.recipients, one.name))
