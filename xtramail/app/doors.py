"""Where people and servers reach us: our name, and for each service that listens its port and its security."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xtramail.app.settings import Settings

USUAL = {"smtp": 25, "submission": 587, "submissions": 465, "imaps": 993, "imap": 143, "pop3s": 995, "pop3": 110}
"""Ports of sockets that somebody else opened for us (systemd), where no number is written."""
SECURITY = {"submission": "STARTTLS", "submissions": "SSL/TLS", "imaps": "SSL/TLS", "imap": "STARTTLS",
            "pop3s": "SSL/TLS", "pop3": "STARTTLS", "smtp": "STARTTLS"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Door:
    service: str
    """Its key among ``[listen]``."""
    host: str
    port: int
    security: str
    """As mail programs call it."""


def listens(endpoint: str) -> tuple[str, int] | None:
    """At which address of ours (empty: at all), and which port; None for a socket of another kind, or any port."""
    kind, _, rest = endpoint.partition(":")
    # Twisted's own rule: a backslash makes the next character stand for itself.
    parts = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", rest)]
    fields = dict(part.partition("=")[::2] for part in parts if "=" in part)
    port = fields.get("port") or parts[0]
    if kind not in ("tcp", "tcp6") or not port.isdigit() or int(port) == 0:
        return None
    host = fields.get("interface", "")
    return "" if host in ("0.0.0.0", "::") else host, int(port)


def place_of(endpoint: str) -> tuple[str, int] | None:
    """Host and port at which a listening endpoint answers from here; None for a socket of another kind."""
    found = listens(endpoint)
    if found is None:
        return None
    return found[0] or ("::1" if endpoint.startswith("tcp6:") else "127.0.0.1"), found[1]


def host_of(settings: Settings, domain: str) -> str:
    """Which of our names the people of ``domain`` are given: one in their own domain, else the first."""
    names = settings.server.hostname
    return next((name for name in names if name.endswith("." + domain)), names[0])


def door(settings: Settings, service: str, domain: str) -> Door | None:
    """The first one of a service that can be reached by its port; None where it does not listen. ``settings`` have a
    host name."""
    endpoints: dict[str, tuple[str, ...]] = {
        "smtp": settings.listen.smtp,
        "submission": settings.listen.submission,
        "submissions": settings.listen.submissions,
        "imaps": settings.listen.imaps,
        "imap": settings.listen.imap,
        "pop3s": settings.listen.pop3s,
        "pop3": settings.listen.pop3,
    }
    for endpoint in endpoints[service]:
        place = place_of(endpoint)
        port = place[1] if place is not None else USUAL[service] if endpoint.startswith("systemd:") else 0
        if port:
            return Door(service, host_of(settings, domain), port, SECURITY[service])
    return None
