"""What is told of telling: each alert and each attempt once, to the mail log and to the metrics."""

from __future__ import annotations

from typing import Any

from xtramail.model.hook_url import hook_host
from xtramail.store.alerts import AlertRow, Telling
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


class AlertLog:
    """``delivery.alerts.AlertLog``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def raised(self, row: AlertRow) -> None:
        maillog.alert_raised(
            alert=row.id, kind=row.kind, domain=row.domain, text=row.text, count=row.count, to=len(row.tellings)
        )
        self._metrics.alert(row.kind, "raised")

    def tried(self, row: AlertRow, telling: Telling) -> None:
        target = hook_host(telling.target) if telling.channel == "webhook" else telling.target
        told: dict[str, Any] = {
            "alert": row.id,
            "kind": row.kind,
            "domain": row.domain,
            "to": target,
            "answer": telling.answer,
        }
        if telling.state == "told":
            maillog.alert_told(**told)
            self._metrics.alert(row.kind, "mailed" if telling.channel == "mail" else "posted")
            return
        if telling.channel == "webhook":
            self._metrics.webhook_failed()
        if telling.state == "given-up":
            maillog.alert_given_up(**told, attempts=telling.attempts)
            self._metrics.alert(row.kind, "given-up")
        else:
            maillog.alert_failed(**told, attempts=telling.attempts, next_attempt=telling.due)
