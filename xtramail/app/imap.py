"""The IMAP services, 993 and 143, made from the settings."""

from __future__ import annotations

from typing import Any

from xtramail.app.core import Core
from xtramail.app.settings import Settings
from xtramail.net.imap_service import ImapCollaborators, ImapService, ImapTimes
from xtramail.net.limits import Limits
from xtramail.net.tls import ServerContexts
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.imap.config import ImapServerConfig
from xtramail.wire.imap.config import Limits as WireLimits

ALPN = (b"imap",)


def imap_services(
    settings: Settings, core: Core, *, limits: Limits, reactor: Any, metrics: Metrics, contexts: ServerContexts
) -> tuple[ImapService, ImapService]:
    """``imaps``, TLS from the first octet, and ``imap``, which wants STARTTLS before a login."""
    section, times = settings.limits, settings.timeouts

    def made(name: str, *, tls_active: bool) -> ImapService:
        return ImapService(
            config=ImapServerConfig(
                tls_active=tls_active,
                starttls=not tls_active,
                limits=WireLimits(append=section.message_size, errors=section.errors_close),
            ),
            times=ImapTimes(
                handshake=times.handshake,
                login=times.imap_login,
                idle=times.imap_idle,
                rate_grace=times.rate_grace,
                rate_octets=times.rate_octets,
                failed_login=settings.login.least,
            ),
            collaborators=ImapCollaborators(
                reactor=reactor,
                limits=limits,
                metrics=metrics,
                login=core.login,
                mailboxes=core.mailboxes,
                tls_context=None if tls_active else contexts,
            ),
            name=name,
            failures=settings.login.failures_per_connection,
            masks=settings.imap.hide,
        )

    return made("imaps", tls_active=True), made("imap", tls_active=False)
