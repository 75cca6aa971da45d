"""Where an address of a served domain lives: with the domain's others, here, or at hosts of its own.

What the server asks of it, and the names under which mail for such addresses waits. Changes are ``routes``'.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.domain_settings import text
from xtramail.store import domains, outbound
from xtramail.store.engine import Snapshot
from xtramail.store.places import get_place
from xtramail.store.records import DomainRow

STEP = 10
"""Between the priorities of hosts that were given without any."""
USERS_LIVE = "users-live"
"""Setting of a domain with a primary: its users' mailboxes are here, and only those of others at the primary."""


@dataclass(frozen=True, slots=True)
class Place:
    destination: str
    """Under which its mail waits to be handed on: the domain, or its own address key. Empty: it is not handed on."""
    hosts: tuple[tuple[str, int, int], ...] = ()
    """Host, port and priority where those are not the domain's."""

    @property
    def relay(self) -> bool:
        return bool(self.destination)

    @property
    def apart(self) -> bool:
        """At hosts of its own."""
        return bool(self.hosts)


HERE = Place(destination="")


def place_of(snap: Snapshot, domain: DomainRow, local_key: str) -> Place:
    """Where ``local_key`` of ``domain`` lives (scope of the domain)."""
    row = get_place(snap, local_key)
    if row is not None:
        return Place(destination=f"{local_key}@{domain.name}", hosts=row.hosts) if row.hosts else HERE
    if not domain.primaries:
        return HERE
    if text(domain, USERS_LIVE) == "here":
        listed = domains.get_recipient(snap, local_key)
        if listed is not None and listed.kind == "user":
            return HERE
    return Place(destination=domain.name)


def lives_here(snap: Snapshot, domain: DomainRow, local_key: str) -> bool:
    """Its mailbox is the only one: what comes for it is handed to nobody, whatever the domain does with others."""
    return bool(domain.primaries) and not place_of(snap, domain, local_key).relay


def listable(snap: Snapshot, domain: DomainRow, local_key: str) -> bool:
    """Whether mail for ``local_key`` would be handed on if it were of type list."""
    row = get_place(snap, local_key)
    return bool(domain.primaries) if row is None else bool(row.hosts)


def numbered(domain: DomainRow) -> tuple[tuple[str, int, int], ...]:
    """The domain's primaries with their priorities: as they were given, else each its own in their order."""
    given = domain.priorities or range(STEP, STEP * len(domain.primaries) + 1, STEP)
    return tuple((host, port, number) for (host, port), number in zip(domain.primaries, given, strict=True))


def domain_of(destination: str) -> str:
    """The domain of what waits under ``destination``."""
    return destination.rpartition("@")[2]


def destinations_of(snap: Snapshot, domain: str) -> list[str]:
    """Under which mail for a domain waits, its addresses apart included (scope QUEUE)."""
    return [domain, *(one for one in outbound.destinations(snap) if domain_of(one) == domain and one != domain)]


def address_of(destination: str) -> tuple[str, str]:
    """Local key and domain of what waits apart; both empty for what waits for a domain."""
    local, at, domain = destination.rpartition("@")
    return (local, domain) if at else ("", "")
