"""What carries alerts to people, made in order."""

from __future__ import annotations

from typing import Any

from xtramail.app.settings import Settings
from xtramail.delivery.alerts import Alerts, AlertSettings
from xtramail.delivery.own_mail import OwnMail
from xtramail.directory.directory import Directory
from xtramail.model.clock import Clock
from xtramail.net.alert_log import AlertLog
from xtramail.net.alert_service import AlertService
from xtramail.net.tls_client import ClientContexts
from xtramail.net.webhooks import HttpWebhooks
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
            fault=maillog.fault_alarm("alerts"),
        )

    def start(self) -> None:
        self._service.startService()

    def stop(self) -> None:
        self._service.stopService()
        self._webhooks.close()

    def reload(self, settings: Settings) -> None:
        self._alerts.settings = alert_settings(settings)
        self._webhooks.authorities = settings.alerts.authorities
