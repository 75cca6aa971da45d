"""Which resolver may be believed about DNSSEC."""

from __future__ import annotations

from ipaddress import ip_address

from xtramail.app.settings import Dns
from xtramail.model.host import parse_host


def resolver_fault(dns: Dns) -> str:
    """Why what it says could be somebody else's word; empty when it may be believed, or there is none.

    Whether an answer was found good is one bit of a packet that nobody signs (RFC 4035 §4.9.3).
    """
    if not dns.validating or dns.remote:
        return ""
    host, _ = parse_host(dns.validating, 53)
    if ip_address(host).is_loopback:
        return ""
    return (
        f"{host} is another machine: what it says of DNSSEC can be changed on the way; name one on this machine, "
        "or say dns.remote = true where the way is protected"
    )
