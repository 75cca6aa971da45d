"""DNS for the relay: where a domain takes its mail, and what its TXT records say. The packets are Twisted Names'."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.names import dns, error

from xtramail.delivery.routing import NameServiceDown, NoMailHost
from xtramail.model.pending import Pending

_TIMEOUTS = (2, 5, 10)
"""Seconds for each round of questions."""


class MailHostLookup:
    """``delivery.routing.MailHosts`` over a ``twisted.names`` resolver."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    def mail_hosts(self, domain: str) -> Pending[list[tuple[int, str]]]:
        """See ``delivery.routing.MailHosts``."""
        pending: Pending[list[tuple[int, str]]] = Pending()

        def answered(sections: Any) -> None:
            records = [record.payload for record in sections[0] if record.type == dns.MX]
            hosts = [(payload.preference, payload.name.name.decode("ascii", "replace")) for payload in records]
            if not hosts:
                # RFC 5321 §5.1: without an MX the domain itself is the host.
                pending.settle([(0, domain)])
            elif all(host in ("", ".") for _, host in hosts):
                pending.fail(NoMailHost(f"domain {domain} takes no mail (null MX)"))
            else:
                pending.settle([(preference, host) for preference, host in hosts if host not in ("", ".")])

        def failed(failure: Any) -> None:
            if failure.check(error.DNSNameError):
                pending.fail(NoMailHost(f"domain {domain} does not exist"))
            else:
                # SERVFAIL, timeouts and refusals say nothing about the domain: never a 5xx.
                pending.fail(NameServiceDown(f"DNS does not answer for {domain}: {failure.type.__name__}"))

        # A name that cannot be put into a packet raises at once.
        asked = maybeDeferred(self._resolver.lookupMailExchange, domain, timeout=_TIMEOUTS)
        asked.addCallbacks(answered, failed)
        return pending


class TextLookup:
    """TXT records over a ``twisted.names`` resolver."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    def texts(self, name: str) -> Pending[list[str]]:
        """Each record at ``name``, its strings joined; none where there is none. NameServiceDown."""
        pending: Pending[list[str]] = Pending()

        def answered(sections: Any) -> None:
            found = [b"".join(record.payload.data) for record in sections[0] if record.type == dns.TXT]
            pending.settle([octets.decode("utf-8", "replace") for octets in found])

        def failed(failure: Any) -> None:
            if failure.check(error.DNSNameError):
                pending.settle([])
            else:
                pending.fail(NameServiceDown(f"DNS does not answer for {name}: {failure.type.__name__}"))

        asked = maybeDeferred(self._resolver.lookupText, name, timeout=_TIMEOUTS)
        asked.addCallbacks(answered, failed)
        return pending
