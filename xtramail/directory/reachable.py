"""Which hosts somebody may have this machine connect to: who is no operator, none of its own network."""

from __future__ import annotations

from collections.abc import Collection

from xtramail.directory.desk import Desk
from xtramail.directory.domain_settings import switch
from xtramail.model.actor import Role
from xtramail.model.errors import NotPermitted
from xtramail.model.world_address import is_of_the_world
from xtramail.store.records import DomainRow

PORTS = frozenset({25, 465, 587, 2525})
"""Where mail is handed over; another one is for an operator to name."""
IMAP_PORTS = frozenset({143, 993})
HOOK_PORTS = frozenset({443, 8443})
"""Where alerts are posted to."""
INSIDE_HOSTS = "inside-hosts"
"""Setting of a tenant's domain, for operators: names of its hosts may lead into this server's own network."""
_INSIDE = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def require_reachable(desk: Desk, host: str, port: int, ports: Collection[int] = PORTS) -> None:
    """NotPermitted for a host that only an operator may name. What a name leads to is seen when it is connected to
    (:func:`may_be_inside`)."""
    if desk.actor.role is Role.OPERATOR:
        return
    if port not in ports:
        raise NotPermitted(f"port {port}: choose one of {', '.join(map(str, sorted(ports)))}, or ask an operator")
    if _named_inside(host):
        raise NotPermitted(f"host {host}: lies within this server's own network; ask an operator to name it")


def may_be_inside(domain: DomainRow, host: str) -> bool:
    """Whether ``host``, of a route of ``domain``, may turn out to lie within this server's own network.

    A tenant's admin could have named it, unless its name says already where it lies: then an operator did.
    """
    return not domain.tenant or _named_inside(host) or switch(domain, INSIDE_HOSTS)


def _named_inside(host: str) -> bool:
    name = host.lower().rstrip(".")
    try:
        return not is_of_the_world(name)
    except ValueError:
        return name.endswith(_INSIDE) or "." not in name or name.rpartition(".")[2].isdigit()
