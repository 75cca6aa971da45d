"""The metrics port: Prometheus text at ``/metrics``, nothing else.

Owns the small HTTP side only; what is counted is ``telemetry/metrics.py``'s.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site


class MetricsPage(Resource):
    isLeaf = True

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """Made in the reactor thread: a few milliseconds for some hundred lines."""
        if request.path != b"/metrics":
            request.setResponseCode(404)
            return b"the metrics are at /metrics\n"
        request.setHeader(b"content-type", CONTENT_TYPE_LATEST.encode("ascii"))  # type: ignore[no-untyped-call]
        return generate_latest(self._registry)


class QuietSite(Site):
    """The log has a line for each event of mail; a scrape every few seconds is none."""

    noisy = False

    def log(self, request: Request) -> None:
        return


def metrics_site(registry: CollectorRegistry) -> Site:
    """A factory to listen with."""
    return QuietSite(MetricsPage(registry), timeout=30)  # type: ignore[no-untyped-call]
