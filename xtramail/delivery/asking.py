"""Puts a recipient to a domain's primaries, in their order: the directory's ``Asker``."""

from __future__ import annotations

from xtramail.delivery.courier import Courier, Hop
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.store.records import DomainRow


def primary_hops(domain: DomainRow) -> list[Hop]:
    """The primaries of a domain as hosts to connect to."""
    return [Hop(host=host, port=port, tls=domain.primary_tls, ca=domain.primary_ca) for host, port in domain.primaries]


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
