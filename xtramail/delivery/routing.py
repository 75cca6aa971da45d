"""Routing: which hosts a queue entry can be handed to, in order.

A served domain's mail goes to its primaries, that of an address which lives apart to the hosts it has by then.
Everything else goes to the hosts that carry what the sender's domain sends, else to the server's smarthost, else to the
MX hosts of the destination. Owns no connection and no DNS packet.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from xtramail.delivery.asking import hops_of, primary_hops
from xtramail.delivery.courier import Hop
from xtramail.directory.directory import Directory
from xtramail.directory.outbound import carriers
from xtramail.directory.places import address_of
from xtramail.directory.reachable import may_be_inside
from xtramail.model.address import Address
from xtramail.model.errors import Refused, Unavailable
from xtramail.model.host import parse_host
from xtramail.model.pending import Pending
from xtramail.model.secret import Secret
from xtramail.store.records import DomainRow, OutboundRow, QueueEntry


class NoMailHost(Refused):
    """The domain does not exist or takes no mail."""


class NoRoute(Unavailable):
    """Where this mail goes is for the administrator to say."""


class NameServiceDown(Unavailable):
    """DNS does not answer."""


class MailHosts(Protocol):
    """Where a domain takes its mail (RFC 5321 §5.1)."""

    def mail_hosts(self, domain: str) -> Pending[list[tuple[int, str]]]:
        """Preference and host; the domain itself where it has no MX. NoMailHost for a null MX (RFC 7505) or no such
        domain, NameServiceDown for every failure of DNS."""


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    smarthost: str = ""
    """For mail to the world of domains without a smarthost of their own; HOST[:PORT]."""
    tls: str = "opportunistic"
    outside_port: int = 25
    hosts: int = 5
    """Most hosts of one domain that are tried in one attempt."""
    authorities: str = ""
    """PEM file of those to believe where a domain of the world asks for a certificate; empty: those of this machine."""


class PromisedHosts(Protocol):
    """Where a domain takes its mail, and what it promises of TLS there; ``secure_hosts`` is the real one."""

    async def hops(self, domain: str, settings: RoutingSettings) -> list[Hop]:
        """In the order in which they are to be tried. NoMailHost, NameServiceDown; Unavailable when none will do."""


class Routing:
    def __init__(
        self,
        *,
        directory: Directory,
        hosts: MailHosts,
        settings: RoutingSettings,
        promised: PromisedHosts | None = None,
    ) -> None:
        """``promised`` None: no name server is trusted, and TLS to the world is as the settings have it."""
        self._directory = directory
        self._hosts = hosts
        self._promised = promised
        self.settings = settings

    async def hops(self, entry: QueueEntry) -> list[Hop]:
        """In the order in which they are to be tried. NoMailHost, NameServiceDown."""
        local, name = address_of(entry.destination)
        if local:
            return self._apart(Address(local=local, domain=name))
        domain = self._directory.domain(entry.destination)
        if domain is not None and domain.primaries:
            return primary_hops(domain)
        if domain is not None:
            # It had a primary when the message was queued; the copy is in the mailbox, the rest waits for the admin.
            name = domain.name
            raise NoRoute(f"domain {name} has no primary; set one: xtramail domain set {name} primary=HOST")
        if entry.for_primary:
            # It was accepted for a customer. Its MX may be us, or whoever the customer moved to.
            raise NoRoute(f"domain {entry.destination} is not served here any more; add it again, or give its mail up")
        name = entry.forwarder or entry.reverse_path.rpartition("@")[2]
        sender = self._directory.domain(name) if name else None
        found = [] if sender is None else carriers(sender, away=self._directory.away(sender))
        hops = [] if sender is None else [_carrier(sender, one) for one in found]
        if any(one.when != "up" for one in found):
            # Who named a host for this wants nothing to go around it.
            return hops
        try:
            return [*hops, *await self._direct(entry.destination)]
        except (Unavailable, NoMailHost):
            if not hops:
                raise
            return hops

    def _apart(self, address: Address) -> list[Hop]:
        """As its place is now: it may have moved while the mail waited."""
        domain, place = self._directory.domain(address.domain), self._directory.place(address)
        if domain is None:
            raise NoRoute(f"domain {address.domain} is not served here any more; add it again, or give its mail up")
        if place.apart:
            return hops_of(domain, place.hosts)
        if place.relay:
            return primary_hops(domain)
        raise NoRoute(
            f"{address} is handed to nobody any more; say where it lives: xtramail route add {domain.name} HOST "
            f"--user {address}, or give up what waits: xtramail queue bounce"
        )

    async def _direct(self, destination: str) -> list[Hop]:
        if self.settings.smarthost:
            host, port = parse_host(self.settings.smarthost)
            return [Hop(host=host, port=port, tls=self.settings.tls)]
        if self._promised is not None:
            return await self._promised.hops(destination, self.settings)
        found = await self._hosts.mail_hosts(destination)
        # RFC 5321 §5.1: the lowest preference first, hosts of equal preference in random order.
        ordered = sorted(found, key=lambda pair: (pair[0], random.random()))
        return [
            Hop(host=host, port=self.settings.outside_port, tls=self.settings.tls)
            for _, host in ordered[: self.settings.hosts]
        ]


def _carrier(domain: DomainRow, one: OutboundRow) -> Hop:
    # A login is worth protecting, and so is everything that a customer sends: always verified.
    password = Secret(one.password) if one.password else None
    return Hop(
        host=one.host,
        port=one.port,
        tls="verify",
        ca=domain.primary_ca,
        user=one.user,
        password=password,
        inside=may_be_inside(domain, one.host),
    )
