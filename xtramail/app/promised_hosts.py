"""What holds mail to the world to DANE and MTA-STS, made in order; there is none without a resolver that is trusted."""

from __future__ import annotations

from typing import Any

from xtramail.app.settings import Settings
from xtramail.delivery.secure_hosts import SecureHosts
from xtramail.delivery.sts_policies import StsPolicies
from xtramail.model.clock import Clock
from xtramail.model.host import parse_host
from xtramail.net.dns_client import DnsClient
from xtramail.net.sts_site import StsSite
from xtramail.net.tls_client import ClientContexts
from xtramail.store.engine import Engine

OPPORTUNISTIC = "mail to the world goes by opportunistic TLS: no resolver that checks DNSSEC is named (dns.validating)"


def sending_text(settings: Settings) -> str:
    """How mail to the world is protected, for the log and for people."""
    tls, resolver = settings.relay.tls, settings.dns.validating
    if settings.relay.smarthost:
        return f"mail to the world goes by {settings.relay.smarthost} (relay.smarthost), with relay.tls = {tls}"
    if resolver:
        return f"mail to the world is held to DANE and MTA-STS by the word of {resolver}; else TLS is {tls}"
    return OPPORTUNISTIC if tls == "opportunistic" else f"mail to the world goes with relay.tls = {tls}"


class PromisedHosts:
    """``hosts`` for routing, and what has to be closed with it."""

    def __init__(
        self, settings: Settings, *, engine: Engine, clock: Clock, reactor: Any, contexts: ClientContexts
    ) -> None:
        """``settings`` name a resolver."""
        self._names = DnsClient(reactor, [parse_host(settings.dns.validating, 53)])
        self._site = StsSite(
            reactor, names=self._names, contexts=contexts, authorities=settings.dns.authorities
        )
        policies = StsPolicies(engine=engine, names=self._names, site=self._site, clock=clock)
        self.hosts = SecureHosts(names=self._names, policies=policies, clock=clock)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._site.close()
        self._names.close()
