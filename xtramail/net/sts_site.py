"""Fetches MTA-STS policies: one GET over verified TLS, nothing followed, bounded in time and octets (RFC 8461 §3.3).

The host's addresses are those of the name server that is asked for everything about the domain. Owns no memory: when a
policy is fetched, and how long it holds, is ``delivery/sts_policies``'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from xtramail import __version__
from xtramail.delivery.routing import NameServiceDown
from xtramail.delivery.sts_policies import Names, NoPolicy
from xtramail.model.pending import Pending
from xtramail.net.adapter import start
from xtramail.net.certificates import CertificateFault
from xtramail.net.counted_line import CountedEndpoint
from xtramail.net.tls_client import ClientContexts, ClientTls, TlsMode
from xtramail.wire.dns.answer import Address
from xtramail.wire.errors import ProtocolError
from xtramail.wire.mta_sts import MOST_OCTETS, StsText, read_policy

TIMEOUT = 60.0
"""Seconds for all of it (RFC 8461 §3.3)."""
_MOST_READ = MOST_OCTETS + 16_384
"""Octets of an answer with its header, as they come out of TLS."""
_MOST_ADDRESSES = 3


class StsSite:
    """``delivery.sts_policies.PolicySite``. ``authorities`` (PEM) takes the place of the system's."""

    def __init__(
        self,
        reactor: Any,
        *,
        names: Names,
        contexts: ClientContexts,
        authorities: Path | None = None,
        port: int = 443,
        timeout: float = TIMEOUT,
    ) -> None:
        self._reactor = reactor
        self._names = names
        self._contexts = contexts
        self._authorities = authorities
        self._port = port
        self._timeout = timeout
        self._under_way: set[Deferred[Any]] = set()

    def close(self) -> None:
        """Cut what is under way."""
        for fetching in list(self._under_way):
            fetching.cancel()

    def fetch(self, domain: str) -> Pending[StsText]:
        """See ``delivery.sts_policies.PolicySite.fetch``."""
        pending: Pending[StsText] = Pending()
        fetching = start(self._fetch(domain))
        self._under_way.add(fetching)
        late = self._reactor.callLater(self._timeout, fetching.cancel)

        def ended(result: StsText | Failure) -> None:
            self._under_way.discard(fetching)
            if late.active():
                late.cancel()
            if isinstance(result, StsText):
                pending.settle(result)
            else:
                pending.fail(NoPolicy(f"MTA-STS policy of {domain}: {_words(result.value, self._timeout)}"))

        fetching.addBoth(ended)
        return pending

    async def _fetch(self, domain: str) -> StsText:
        host = f"mta-sts.{domain}"
        addresses = await self._addresses(host)
        for number, address in enumerate(addresses, 1):
            try:
                return read_policy(await self._get(host, address))
            except (ConnectError, OSError):
                if number == len(addresses):
                    raise
        raise NoPolicy(f"{host} has no address")

    async def _addresses(self, host: str) -> list[str]:
        asked = [self._names.ask(host, kind) for kind in ("AAAA", "A")]
        found: list[str] = []
        fault: NameServiceDown | None = None
        for one in asked:
            try:
                found += [record.address for record in (await one).of(Address)][:_MOST_ADDRESSES]
            except NameServiceDown as down:
                fault = down
        if fault is not None and not found:
            raise fault
        return found

    async def _get(self, host: str, address: str) -> bytes:
        try:
            tls = self._contexts.for_host(host, mode=TlsMode.VERIFY, ca_file=self._authorities)
        except CertificateFault as fault:
            raise NoPolicy(fault.text) from None
        place = _Place(self._reactor, address, self._port, tls)
        agent: Any = Agent.usingEndpointFactory(self._reactor, place)  # type: ignore[no-untyped-call]
        headers = Headers({"User-Agent": [f"xtramail/{__version__}"], "Accept": ["text/plain"]})
        url = f"https://{host}/.well-known/mta-sts.txt".encode("ascii")
        try:
            asked: Deferred[Any] = agent.request(b"GET", url, headers)
            response = await _cancelled_with_us(asked)
            _check_head(response)
            body = _Body()
            response.deliverBody(body)
            octets: bytes = await _cancelled_with_us(body.whole)
            return octets
        except (ConnectError, OSError):
            raise
        except (NoPolicy, CancelledError, GeneratorExit):
            raise
        except Exception as error:
            if tls.fault:
                raise NoPolicy(tls.fault) from None
            raise NoPolicy(_words(error, self._timeout)) from None
        finally:
            place.cut()


async def _cancelled_with_us(waited: Deferred[Any]) -> Any:
    """Whoever stops waiting for us stops this, too."""
    try:
        return await waited
    finally:
        if not waited.called:
            waited.addErrback(lambda _: None)
            waited.cancel()


def _check_head(response: Any) -> None:
    code = int(response.code)
    if code != 200:
        # RFC 8461 §3.3: 3xx must not be followed.
        raise NoPolicy(f"its web server says {code}")
    kinds = response.headers.getRawHeaders("content-type") or [""]
    if kinds[0].partition(";")[0].strip().lower() != "text/plain":
        raise NoPolicy("it is not text/plain")


def _words(error: BaseException | None, timeout: float) -> str:
    if isinstance(error, ResponseFailed) and error.reasons:
        error = error.reasons[0].value
    if isinstance(error, NoPolicy | NameServiceDown):
        return error.text
    if isinstance(error, ProtocolError):
        return error.text
    if isinstance(error, CancelledError):
        return f"not had within {timeout:g} s"
    if isinstance(error, ConnectError):
        return f"no connection: {type(error).__name__}"
    return f"no answer: {type(error).__name__}"


class _Body(Protocol):
    """Everything, or nothing: one that is cut short is no policy."""

    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred()
        self._octets = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._octets += data
        if len(self._octets) > MOST_OCTETS and not self.whole.called:
            self.whole.errback(NoPolicy(f"it is longer than {MOST_OCTETS} octets"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.whole.callback(bytes(self._octets))
        else:
            # Without a length an answer ends where the connection does, for whatever reason: it may be half of one.
            self.whole.errback(NoPolicy("the answer was cut short"))


@implementer(IAgentEndpointFactory)
class _Place:
    """One address, whatever the URL's name is known by elsewhere."""

    def __init__(self, reactor: Any, address: str, port: int, tls: ClientTls) -> None:
        place: Any = HostnameEndpoint(reactor, address, port, timeout=10)
        creator: Any = tls
        self._counted = CountedEndpoint(wrapClientTLS(creator, place), most=_MOST_READ)

    def endpointForURI(self, uri: object) -> CountedEndpoint:
        return self._counted

    def cut(self) -> None:
        self._counted.cut()
