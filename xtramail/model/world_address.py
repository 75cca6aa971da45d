"""Which IP addresses are the world's, and which of somebody's own network. Owns no names and no look-up."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_CARRIERS = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
"""Whose last 32 bits are an IPv4 address that a gateway may go on to: RFC 4291 §2.5.5.1, RFC 2765, RFC 6052 §2.1."""


def is_of_the_world(address: str) -> bool:
    """Whether what is connected to there is outside of this server's network; ValueError for what is no address.

    ``64:ff9b::7f00:1`` is as near as 127.0.0.1, where a gateway stands on the way.
    """
    found = ip_address(address.partition("%")[0])
    if not found.is_global or found.is_multicast:
        return False
    if isinstance(found, IPv6Address) and any(found in network for network in _CARRIERS):
        return IPv4Address(int(found) & 0xFFFF_FFFF).is_global
    return True
