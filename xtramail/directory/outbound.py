"""The hosts that carry what a domain's people send to the world, and which of them do so now.

``smarthost`` of a domain is the short way to name one of them; those of ``routes`` stand beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from xtramail.directory.places import STEP
from xtramail.model.host import parse_host
from xtramail.store.records import DomainRow, OutboundRow

PORT = 587
"""Of a host that is named without one: what is sent there is a submission (RFC 6409)."""


def smarthost(domain: DomainRow) -> OutboundRow | None:
    """The one that ``smarthost=`` names."""
    if not domain.smarthost:
        return None
    host, port = parse_host(domain.smarthost, PORT)
    return OutboundRow(
        host=host, port=port, priority=STEP, user=domain.smarthost_user, password=domain.smarthost_password
    )


def all_carriers(domain: DomainRow) -> list[OutboundRow]:
    """By priority."""
    named = smarthost(domain)
    return sorted([*([] if named is None else [named]), *domain.outbound], key=lambda one: one.priority)


def carriers(
    domain: DomainRow, *, away: bool, chance: Callable[[], float] = random.random
) -> list[OutboundRow]:
    """Those that are tried now, in this order; ``away``: nothing is handed to the domain's primary.

    Where all of them are for ``up``, or there are none, mail goes on its own way when none answers.
    """
    wanted = ("always", "down" if away else "up")
    found = [one for one in all_carriers(domain) if one.when in wanted]
    return sorted(found, key=lambda one: (one.priority, chance()))
