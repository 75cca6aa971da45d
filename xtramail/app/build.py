"""The composition root: makes everything in order and passes collaborators in.

Owns who knows whom. Nothing here opens the store: that is the store service's start, after privileges were dropped.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.application import strports
from twisted.application.service import MultiService

from xtramail.app.own_certificates import OwnCertificates
from xtramail.app.settings import Settings
from xtramail.model.clock import SystemClock
from xtramail.net.certificate_store import CertificateStore, Fault
from xtramail.net.certificates import Identity
from xtramail.net.metrics_http import metrics_site
from xtramail.net.tls import TlsService
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


class Server(MultiService):
    """Children start in the order they were added; those that listen bind before, while the process may be root."""

    def __init__(self, tls: TlsService) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tls = tls

    def reload(self, settings: Settings) -> frozenset[str]:
        """Certificates again, and the settings that can change; gives the names of the sections in force at once."""
        self._tls.reload()
        return frozenset()


def certificates_told(identities: tuple[Identity, ...], faults: tuple[Fault, ...]) -> None:
    """The log's line about a look at the certificate folder."""
    names = tuple(name for identity in identities for name in identity.names)
    maillog.certificates_loaded(
        names=names, not_after=min((identity.not_after for identity in identities), default=None)
    )
    for fault in faults:
        maillog.certificate_refused(file=fault.file, reason=fault.reason, served=fault.served)


def build(settings: Settings, reactor: Any) -> Server:
    """Everything of one server, not yet started. ``settings.server.hostname`` has at least one name."""
    clock = SystemClock()
    metrics = Metrics()
    certificates = CertificateStore(settings.certificate_folder, default_name=settings.server.hostname[0])
    tls = TlsService(
        certificates,
        reactor=reactor,
        now=clock.now,
        check=settings.certificates.check,
        rotate=settings.certificates.rotate,
        on_reload=certificates_told,
    )
    server = Server(tls)
    own = OwnCertificates(settings.certificate_folder, settings.server.hostname, reactor=reactor, now=clock.now)
    own.setServiceParent(server)  # type: ignore[no-untyped-call]
    tls.setServiceParent(server)  # type: ignore[no-untyped-call]
    for endpoint in settings.listen.metrics:
        service: Any = strports.service(endpoint, cast(Any, metrics_site(metrics.registry)), reactor)
        service.setServiceParent(server)
    return server
