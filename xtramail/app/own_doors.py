"""Whether a host that somebody names as a next hop is this very server: what it was handed would come in again.

By its settings and this machine's addresses alone, without DNS. A loop that shows only on the way is ended by its
Received fields (``delivery/intake``).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from xtramail.app.doors import USUAL, listens
from xtramail.app.settings import Settings
from xtramail.directory.domains import host_text
from xtramail.model.errors import BadInput
from xtramail.model.host import is_address


def refuse_own_doors(settings: Settings, places: Iterable[tuple[str, int]]) -> None:
    """BadInput for the first of ``places`` (host and port) at which this server takes mail itself."""
    for host, port in places:
        if door := _door(settings, host.lower().rstrip("."), port):
            raise BadInput(
                f"host {host_text(host, port)}: this server itself listens there ([listen] {door}), and mail would "
                f"come in again; name the server that has the mailboxes, or leave it out where they are here"
            )


def _door(settings: Settings, host: str, port: int) -> str:
    """The service that takes mail there; empty: none of ours does."""
    listen = settings.listen
    doors = {
        "smtp": listen.smtp,
        "submission": listen.submission,
        "submissions": listen.submissions,
        "lmtp": listen.lmtp,
    }
    for service, endpoints in doors.items():
        for endpoint in endpoints:
            if endpoint.startswith("systemd:"):
                # Who knows at which address; its port is the usual one.
                interface, number = "", USUAL.get(service, 0)
            else:
                interface, number = listens(endpoint) or ("", 0)
            if number and number == port and _leads_to(settings, host, interface):
                return service
    return ""


def _leads_to(settings: Settings, host: str, interface: str) -> bool:
    """Whether who connects to ``host`` meets a socket that listens at ``interface`` (empty: at every address)."""
    if host == "localhost":
        return not interface or _is_loopback(interface)
    if not is_address(host):
        return host in settings.server.hostname and not (interface and _is_loopback(interface))
    if interface:
        return is_address(interface) and ip_address(host) == ip_address(interface)
    return _is_loopback(host) or _is_ours(host)


def _is_loopback(text: str) -> bool:
    if not is_address(text):
        return text == "localhost"
    address = ip_address(text)
    return address.is_loopback or address.is_unspecified


def _is_ours(address: str) -> bool:
    """Whether this machine has that address: it talks to itself from the very same one. (Nothing is sent.)"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect((address, 9))
            return ip_address(one.getsockname()[0]) == ip_address(address)
    except OSError:
        return False
