"""Desks at which tests ask for changes."""

from __future__ import annotations

from xtramail.directory.desk import Desk
from xtramail.model.actor import Actor, Role
from xtramail.model.clock import Clock
from xtramail.store.engine import Engine


def operator(engine: Engine, clock: Clock) -> Desk:
    """Whose actor may do everything."""
    return Desk(engine, Actor(role=Role.OPERATOR, name="olga", how="test"), clock)


def tenant_admin(engine: Engine, clock: Clock, tenant: str) -> Desk:
    """Whose actor has every domain of one tenant."""
    actor = Actor(role=Role.TENANT, name=f"tim@{tenant}.example", how="test", tenant=tenant)
    return Desk(engine, actor, clock)


def domain_admin(engine: Engine, clock: Clock, *domains: str, tenant: str = "") -> Desk:
    """Whose actor has these domains (keys)."""
    actor = Actor(role=Role.DOMAIN, name="dora@office.example", how="test", tenant=tenant, domains=frozenset(domains))
    return Desk(engine, actor, clock)


def user(engine: Engine, clock: Clock, address: str) -> Desk:
    """Whose actor is a user; ``address`` as its key."""
    return Desk(engine, Actor(role=Role.USER, name=address, how="test", address=address), clock)
