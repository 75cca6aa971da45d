"""Puts a recipient to a domain's primaries, in their order: the directory's ``Asker``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from xtramail.delivery.courier import Courier, Hop
from xtramail.directory.places import numbered
from xtramail.directory.reachable import may_be_inside
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.store.records import DomainRow


def primary_hops(domain: DomainRow) -> list[Hop]:
    """The primaries of a domain as hosts to connect to, in the order in which they are tried this time."""
    return hops_of(domain, numbered(domain))


def hops_of(
    domain: DomainRow,
    hosts: Iterable[tuple[str, int, int]],
    chance: Callable[[], float] = random.random,
) -> list[Hop]:
    """``hosts``: host, port and priority. The lowest comes first, equal ones in random order (RFC 5321 §5.1)."""
    ordered = sorted(hosts, key=lambda one: (one[2], chance()))
    return [
        Hop(
            host=host,
            port=port,
            tls=domain.primary_tls,
            ca=domain.primary_ca,
            inside=may_be_inside(domain, host),
        )
        for host, port, _ in ordered
    ]


class PrimaryAsker:
    def __init__(self, courier: Courier) -> None:
        self._courier = courier

    async def ask(self, domain: DomainRow, address: Address) -> Reply:
        """See ``directory.directory.Asker``: the first primary that answers decides."""
        fault = PrimaryDown(f"domain {domain.name} has no primary")
        for hop in primary_hops(domain):
            try:
                return await self._courier.ask(hop, address)
            except PrimaryDown as down:
                fault = down
        raise fault


class NobodyToAsk:
    """For who only looks up what is known already."""

    async def ask(self, domain: DomainRow, address: Address) -> Reply:
        raise PrimaryDown("nobody is asked here")
