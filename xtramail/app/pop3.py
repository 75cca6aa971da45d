"""The POP3 services, 995 and 110, made from the settings."""

from __future__ import annotations

from typing import Any

from xtramail.app.core import Core
from xtramail.app.settings import Settings
from xtramail.mailbox.maildrop import KnownSizes
from xtramail.net.limits import Limits
from xtramail.net.pop3_service import Pop3Collaborators, Pop3Service, Pop3Times
from xtramail.net.tls import ServerContexts
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.pop3.config import Pop3ServerConfig

ALPN = (b"pop3",)


def pop3_services(
    settings: Settings, core: Core, *, limits: Limits, reactor: Any, metrics: Metrics, contexts: ServerContexts
) -> tuple[Pop3Service, Pop3Service]:
    """``pop3s``, TLS from the first octet, and ``pop3``, which wants STLS before a login."""
    section, times, sizes = settings.limits, settings.timeouts, KnownSizes()

    def made(name: str, *, tls_active: bool) -> Pop3Service:
        return Pop3Service(
            config=Pop3ServerConfig(
                tls_active=tls_active,
                starttls=not tls_active,
                errors_before_delay=section.errors_delay,
                errors_limit=section.errors_close,
                idle_commands_limit=section.idle_commands,
            ),
            times=Pop3Times(
                handshake=times.handshake,
                login=times.pop3_login,
                idle=times.pop3_idle,
                failed_login=settings.login.least,
            ),
            collaborators=Pop3Collaborators(
                reactor=reactor,
                limits=limits,
                metrics=metrics,
                login=core.login,
                mailboxes=core.mailboxes,
                sizes=sizes,
                tls_context=None if tls_active else contexts,
            ),
            name=name,
            failures=settings.login.failures_per_connection,
        )

    return made("pop3s", tls_active=True), made("pop3", tls_active=False)
