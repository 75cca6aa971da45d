"""``HOST[:PORT]`` as people write it."""

from __future__ import annotations

from ipaddress import ip_address

from xtramail.model.errors import BadInput


def parse_host(text: str, default_port: int = 25) -> tuple[str, int]:
    """``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``; BadInput otherwise."""
    rest = text.strip()
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        port = port.removeprefix(":")
        if not closed:
            raise BadInput(f"host {text!r}: close the bracket, as in [2001:db8::1]:25")
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if not host or any(c.isspace() or c in "/@" for c in host):
        raise BadInput(f"host {text!r}: write it as mail.example.org or mail.example.org:25")
    if port and (not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65_536):
        raise BadInput(f"host {text!r}: the port is a number from 1 to 65535")
    return host, int(port) if port else default_port


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
