"""Forwarding: what goes on to others because an address that lives here stands for them, and what is reported of it.

To the world it goes under a sender of ours (``directory.rewriting``), so that SPF of the next host finds our domain, or
the one that ours is to forward as (``directory.forwarding_names``); but for what people of domains served here send,
and for the null sender, which stays. A report comes back to that address and goes on to the sender; who forges one is
refused at RCPT. To a primary served here it goes as it came.

Loops end at intake: what is sent on bears a Delivered-To with the address that stands for its recipients, and is
refused when it comes to that address again; and, as all mail, when it has too many Received fields.
Whom an address stands for is ``directory.resolution``'s; the rows are ``acceptance``'s.
"""

from __future__ import annotations

from dataclasses import replace

from xtramail.delivery.route import Route
from xtramail.directory.directory import Directory, Resolution, Standing
from xtramail.directory.forwarding_names import forwarding_as
from xtramail.directory.mirrors import Keeping
from xtramail.directory.rewriting import Rewriting, Rewritten
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.store.records import DomainRow


class Forwarding:
    def __init__(self, *, directory: Directory, rewriting: Rewriting) -> None:
        self._directory = directory
        self._rewriting = rewriting

    def forwards(self, path: ForwardPath, resolution: Resolution) -> tuple[Route, ...]:
        """A route to each of those to whom mail for ``path`` is forwarded; none to whom a primary does not know."""
        domain = resolution.domain
        if domain is None:
            return ()
        forwarder = str(Address(local=path.address.local, domain=domain.name))
        # A next hop that knows no SMTPUTF8 takes A-labels.
        targets = (Address(local=one.local, domain=one.domain_key) for one in resolution.forwards)
        found = (self._forward(replace(path, address=one), domain, forwarder) for one in targets)
        return tuple(route for route in found if route is not None)

    def unasked(self, address: Address, resolution: Resolution) -> tuple[Address, ...]:
        """Of ``address`` and those to whom its mail is forwarded, who has to be put to a primary first."""
        if resolution.standing is Standing.ASK:
            return (address,)
        return tuple(one for one in resolution.forwards if self._directory.resolve(one).standing is Standing.ASK)

    def may_be_report(self, address: Address, resolution: Resolution) -> bool:
        """Whether ``address`` has the form of a rewritten sender, and is nobody's here."""
        return resolution.standing is not Standing.LISTED and self._rewriting.has_form(address)

    def reported(self, address: Address, resolution: Resolution) -> Resolution | None:
        """What becomes of a report to ``address``, a rewritten sender; None where it is forged or too old."""
        domain = resolution.domain
        sender = None if domain is None else self._rewriting.sender(address, domain.name)
        if domain is None or sender is None:
            return None
        found = self._directory.resolve(sender)
        to_others = found.relay or found.standing is Standing.ELSEWHERE
        return replace(
            resolution,
            standing=Standing.LISTED,
            relay=False,
            accounts=() if to_others else found.accounts,
            keepings={} if to_others else {one.id: kept for one in found.accounts if (kept := _kept(found, one.id))},
            forwards=(sender,) if to_others else found.forwards,
        )

    def outgoing_sender(self, path: ReversePath, route: Route, at: float) -> Rewritten | None:
        """Under what ``path`` goes out to ``route``; None: as it is. ``at``: when the message came."""
        if not route.forwarder or route.domain is not None or path.address is None:
            return None
        if self._directory.domain(path.address.domain) is not None:
            return None
        return self._rewriting.rewrite(path.address, self._name_for(home_of(route)), at)

    def _name_for(self, home: str) -> str:
        """The domain (key) of rewritten senders: what ``home`` is to forward as, while that is served here and reports
        would find back."""
        row = self._directory.domain(home)
        other = self._directory.domain(forwarding_as(row)) if row is not None and forwarding_as(row) else None
        return home if other is None else other.name

    def _forward(self, path: ForwardPath, by: DomainRow, forwarder: str) -> Route | None:
        found = self._directory.resolve(path.address)
        keeping = Keeping(retention_class=by.retention_class, days=by.retention_days)
        if found.standing is Standing.ELSEWHERE:
            return Route(
                path=path,
                domain=None,
                accounts=(),
                relay=True,
                destination=path.address.domain_key,
                keeping=keeping,
                forwarder=forwarder,
            )
        if found.standing in (Standing.UNKNOWN, Standing.ASK):
            return None
        return Route(
            path=path,
            domain=found.domain,
            accounts=found.accounts,
            relay=True,
            destination=found.destination,
            up=found.up,
            keeping=found.keeping,
            keepings=found.keepings,
            forwarder=forwarder,
        )


def home_of(route: Route) -> str:
    """The domain (key) in whose name ``route`` is forwarded to the world; empty where it is not."""
    return route.forwarder.rpartition("@")[2] if route.domain is None else ""


def _kept(found: Resolution, account_id: int) -> Keeping | None:
    return found.keepings.get(account_id, found.keeping)
