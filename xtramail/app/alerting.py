"""What carries alerts to people, made in order; and the one way in which parts of the server raise one.

An alert of a primary's step, or of held mail, is raised in the commit of its cause. What has no commit of its own (a
full store, a certificate that was refused, the clock) is raised here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xtramail.app.settings import Settings
from xtramail.delivery.alerts import Alerts, AlertSettings
from xtramail.delivery.own_mail import OwnMail
from xtramail.directory.directory import Directory
from xtramail.model.clock import Clock
from xtramail.model.pending import Pending
from xtramail.net.alert_log import AlertLog
from xtramail.net.alert_service import AlertService
from xtramail.net.tls_client import ClientContexts
from xtramail.net.webhooks import HttpWebhooks
from xtramail.store import alerts
from xtramail.store.engine import Engine
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


def alert_settings(settings: Settings) -> AlertSettings:
    section = settings.alerts
    return AlertSettings(mail=section.mail, webhook=section.webhook, secret=section.secret, every=section.every)


class Alerting:
    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine,
        directory: Directory,
        own_mail: OwnMail,
        clock: Clock,
        reactor: Any,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._webhooks = HttpWebhooks(
            reactor, clock=clock, contexts=ClientContexts(), authorities=settings.alerts.authorities
        )
        self._alerts = Alerts(
            engine=engine,
            directory=directory,
            own_mail=own_mail,
            webhooks=self._webhooks,
            clock=clock,
            settings=alert_settings(settings),
            log=AlertLog(metrics),
        )
        self._service = AlertService(
            reactor,
            engine=engine,
            alerts=self._alerts,
            fault=lambda error: maillog.alarm(kind="alerts", text=f"{type(error).__name__}: {error}"),
        )

    def start(self) -> None:
        self._service.startService()

    def stop(self) -> None:
        self._service.stopService()
        self._webhooks.close()

    def reload(self, settings: Settings) -> None:
        self._alerts.settings = alert_settings(settings)
        self._webhooks.authorities = settings.alerts.authorities

    def say(self, kind: str, domain: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        """Raise one; ``domain`` empty: it concerns the server. When the store cannot take it the log has it alone."""
        written = self._engine.transact(*alerts.raised(kind, domain, text, fields or {}, self._clock.now()))

        def lost(done: Pending[int]) -> None:
            try:
                done.result()
            except Exception as error:
                maillog.alarm(kind=kind, text=f"{text} (told to nobody: {type(error).__name__})")

        written.when_done(lost)
