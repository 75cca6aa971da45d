"""Addresses and names that many customers of one provider send from: they tell who carried a message, not whose it is.

Owns one small table, kept by hand: supersets of what the providers publish as senders (SPF), so that a range they move
inside their own does not become anybody's proof. Looked up, never fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    source: str
    """Where the ranges are published, and when they were entered here: by hand, to be compared with it at a release."""
    networks: tuple[Network, ...]
    certificate_names: tuple[str, ...]
    """Domains whose names are in the certificates that all its customers' mail is sent under."""


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(word) for word in text.split())


PROVIDERS = (
    Provider(
        name="Microsoft 365",
        source="spf.protection.outlook.com and endpoint set 10 of Exchange Online; entered 2026-11",
        networks=_networks(
            "40.92.0.0/15 40.107.0.0/16 52.100.0.0/14 52.238.78.88/32 104.47.0.0/17"
            " 2a01:111:f400::/48 2a01:111:f403::/48"
        ),
        certificate_names=("outlook.com", "office365.com", "microsoft.com"),
    ),
    Provider(
        name="Google",
        source="_spf.google.com (_netblocks, _netblocks2, _netblocks3); entered 2026-11",
        networks=_networks(
            "35.190.247.0/24 35.191.0.0/16 64.233.160.0/19 66.102.0.0/20 66.249.80.0/20 72.14.192.0/18 74.125.0.0/16"
            " 108.177.8.0/21 108.177.96.0/19 130.211.0.0/22 172.217.0.0/16 172.253.0.0/16 173.194.0.0/16"
            " 209.85.128.0/17 216.58.192.0/19 216.239.32.0/19"
            " 2001:4860:4000::/36 2404:6800:4000::/36 2607:f8b0:4000::/36 2800:3f0:4000::/36 2a00:1450:4000::/36"
            " 2c0f:fb50:4000::/36"
        ),
        certificate_names=("google.com", "gmail.com", "googlemail.com"),
    ),
)


def provider_of(network: Network) -> Provider | None:
    """Whose customers share any address of ``network``; None when nobody known."""
    for provider in PROVIDERS:
        for known in provider.networks:
            # Networks of different versions never overlap, and comparing them otherwise raises.
            if known.version == network.version and known.overlaps(network):
                return provider
    return None


def provider_named(host: str) -> Provider | None:
    """Whose certificates have names such as ``host`` (lower case, wildcards too); None when nobody's known."""
    for provider in PROVIDERS:
        if any(host == name or host.endswith(f".{name}") for name in provider.certificate_names):
            return provider
    return None
