"""Alerts as people look at them, and a test of whether they are told. Telling itself is ``delivery/alerts``'."""

from __future__ import annotations

from xtramail.directory.desk import Change, Desk
from xtramail.model.actor import Role
from xtramail.store import alerts, keys
from xtramail.store.alerts import AlertRow


def list_alerts(desk: Desk, name: str = "") -> list[AlertRow]:
    """Of one domain, or of all that the actor sees (an operator: also those of no domain), the newest first."""
    desk.require(Role.DOMAIN, "the list of alerts")
    names = {desk.domain(name).name} if name else {row.name for row in desk.domains()}
    every = not name and desk.actor.role is Role.OPERATOR
    return [row for row in desk.engine.read(keys.ALERTS, alerts.alerts) if every or row.domain in names]


async def raise_test(desk: Desk, name: str) -> int:
    """Raise an alert that says it is a test, for everybody who is told of the domain's; its number. NoSuchDomain."""
    domain = desk.domain(name).name
    text = f"This is a test of alerts about {domain}, asked for by {desk.actor.name}. Nothing happened."
    part = alerts.raised("test", domain, text, {"by": desk.actor.name}, desk.now())
    number: int = (await desk.change(Change("alert test", domain, domain), [part]))[0]
    return number
