"""The other end of a connection, as it is known so far; grows by ``dataclasses.replace`` as the connection goes on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from xtramail.model.certificate import ClientCertificate


@dataclass(frozen=True, slots=True)
class Peer:
    """``address`` is an IP address as text, never ``::ffff:a.b.c.d``; empty for a Unix socket."""

    address: str
    port: int = 0
    tls: str = ""
    """Protocol and cipher, such as ``TLSv1.3 TLS_AES_256_GCM_SHA384``; empty in clear text."""
    helo: str = ""
    """What the peer calls itself in EHLO or HELO; never believed."""
    esmtp: bool = False
    """EHLO rather than HELO (RFC 5321 §4.1.1.1)."""
    certificate: ClientCertificate | None = None
    """What it showed in its TLS handshake, where it was asked; believed by nobody yet."""

    @property
    def block(self) -> str:
        """The /24 or /64 it lives in: the unit in which guessing of passwords is counted; else the address itself."""
        return _block(self.address)


_KEPT = 4_096
"""Addresses that are not taken apart again: clients come back."""


@lru_cache(maxsize=_KEPT)
def _block(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))


@lru_cache(maxsize=_KEPT)
def plain_address(address: str) -> str:
    """``::ffff:a.b.c.d`` (an IPv4 peer on an IPv6 socket) as ``a.b.c.d``, a scope id (``%eth0``) dropped."""
    bare = address.partition("%")[0]
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return bare
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
