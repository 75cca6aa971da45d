"""The metrics port over real HTTP on loopback."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from xtramail.net.metrics_http import metrics_site
from xtramail.telemetry.metrics import Metrics


def fetch(url: str) -> tuple[str, str]:
    with urlopen(url, timeout=10) as answer:
        return answer.headers["content-type"], answer.read().decode()


@ensureDeferred
async def test_a_scrape_gets_prometheus_text_and_other_paths_nothing() -> None:
    metrics = Metrics()
    metrics.message_accepted("smtp", 5)
    port = reactor.listenTCP(0, metrics_site(metrics.registry), interface="127.0.0.1")
    try:
        base = f"http://127.0.0.1:{port.getHost().port}"
        kind, text = await deferToThread(fetch, f"{base}/metrics")
        assert kind.startswith("text/plain")
        assert 'xtramail_messages_accepted_total{service="smtp"} 1.0' in text
        with pytest.raises(HTTPError, match="404"):
            await deferToThread(fetch, f"{base}/")
    finally:
        await port.stopListening()
