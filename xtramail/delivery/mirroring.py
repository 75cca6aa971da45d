"""Which mailboxes beside get a copy of a message on its way in: those that mirror its recipients or its senders.

Decided once, before the first octet is written, because it decides in which buckets the text lies. Who mirrors whom is
``directory.mirrors``'s. A copy is never handed on and never mirrored again, so nothing can circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from xtramail.delivery.arrival import Arrival
from xtramail.delivery.policy import Route
from xtramail.directory.mirrors import Beside, Mirrored
from xtramail.model.address import Address
from xtramail.model.errors import BadInput, Corrupt


def mirroring(mailboxes: Beside, arrival: Arrival, *, authors: Iterable[str] = ()) -> Arrival:
    """``arrival`` with its mirrors. ``authors``: in whose name it is sent, where that was proven.

    Who has the message anyway, as its recipient or in Sent, gets no second one. A recipient keeps his own for the days
    of his mirror where those are more.
    """
    try:
        found = mailboxes.mirrored(_parties(arrival, authors))
    except Corrupt:
        # A row that cannot be read must not keep mail out.
        return arrival
    if not found:
        return arrival
    beside = {one.account.id: one for one in found}
    for account in arrival.sent_for:
        beside.pop(account.id, None)
    routes = tuple(_longer(route, beside) for route in arrival.routes)
    for route in routes:
        for account in route.accounts:
            beside.pop(account.id, None)
    return replace(arrival, routes=routes, mirrors=tuple(beside.values()))


def _longer(route: Route, beside: dict[int, Mirrored]) -> Route:
    kept = route.kept
    keepings = dict(route.keepings)
    for account in route.accounts:
        one, known = beside.get(account.id), route.kept_by(account)
        if one is not None and known is not None and one.keeping.days > known.days:
            keepings[account.id] = one.keeping
    if keepings == route.keepings:
        return route
    if len(route.accounts) == 1 and kept is not None:
        return replace(route, keeping=keepings[route.accounts[0].id], keepings={})
    return replace(route, keepings=keepings)


def _parties(arrival: Arrival, authors: Iterable[str]) -> Iterator[Address]:
    for route in arrival.routes:
        if route.domain is not None:
            # By whatever name it was written: a mirror is of a domain and of those whose mail it is.
            yield Address(local=route.path.address.local, domain=route.domain.name)
            yield from (Address.parse(account.address) for account in route.accounts)
    senders = list(authors)
    if arrival.sender is not None:
        senders.append(arrival.sender.address)
    if senders and arrival.reverse_path.address is not None:
        senders.append(str(arrival.reverse_path.address))
    for text in dict.fromkeys(senders):
        try:
            yield Address.parse(text)
        except BadInput:
            continue
