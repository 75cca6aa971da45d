"""Counts alarms as they are written into the log, wherever in the server they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import LogEvent, globalLogPublisher

from xtramail.telemetry.metrics import Metrics


def count_alarms(metrics: Metrics) -> Callable[[], None]:
    """From now on ``metrics`` has every alarm of this process; returns what ends it, which may be called twice."""

    def counted(event: LogEvent) -> None:
        if event.get("mail_event") == "alarm":
            metrics.alarm(event["mail_fields"]["kind"])

    observer: Any = counted
    globalLogPublisher.addObserver(observer)
    return lambda: globalLogPublisher.removeObserver(observer)
