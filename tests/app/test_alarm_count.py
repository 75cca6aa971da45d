from __future__ import annotations

from xtramail.app.alarm_count import count_alarms
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


def counted(metrics: Metrics, kind: str) -> float | None:
    return metrics.registry.get_sample_value("xtramail_alarms_total", {"kind": kind})


def test_every_alarm_is_counted_by_its_kind_until_nobody_counts() -> None:
    metrics = Metrics()
    stop = count_alarms(metrics)
    maillog.alarm(kind="expiry", text="a round failed")
    maillog.fault_alarm("expiry")(OSError("no room"))
    maillog.alarm(kind="log", text="it cannot be opened")
    maillog.server_stopped()
    stop()
    stop()
    maillog.alarm(kind="log", text="again")
    assert (counted(metrics, "expiry"), counted(metrics, "log")) == (2, 1)
