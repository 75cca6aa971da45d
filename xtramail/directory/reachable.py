"""Which hosts somebody may have this machine connect to: who is no operator, none of its own network."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from xtramail.directory.desk import Desk
from xtramail.model.actor import Role
from xtramail.model.errors import NotPermitted

PORTS = frozenset({25, 465, 587, 2525})
"""Where mail is handed over; another one is for an operator to name."""
IMAP_PORTS = frozenset({143, 993})
HOOK_PORTS = frozenset({443, 8443})
"""Where alerts are posted to."""
_INSIDE = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def require_reachable(desk: Desk, host: str, port: int, ports: Collection[int] = PORTS) -> None:
    """NotPermitted for a host that only an operator may name. What a name leads to is seen when it is connected to."""
    if desk.actor.role is Role.OPERATOR:
        return
    if port not in ports:
        raise NotPermitted(f"port {port}: choose one of {', '.join(map(str, sorted(ports)))}, or ask an operator")
    name = host.lower().rstrip(".")
    try:
        inside = not ip_address(name).is_global
    except ValueError:
        inside = name.endswith(_INSIDE) or "." not in name or name.rpartition(".")[2].isdigit()
    if inside:
        raise NotPermitted(f"host {host}: lies within this server's own network; ask an operator to name it")
