"""Posts alerts to programs: signed, over verified TLS, in a bounded time.

Redirects are not followed, since a signed call is meant for one URL. Owns the HTTP of one call; what is called, and
when it is called again, is ``delivery/alerts``'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from xtramail import __version__
from xtramail.delivery.webhook import CALL_ID, SIGNATURE, Answer, Call, signature
from xtramail.model.clock import Clock
from xtramail.model.pending import Pending
from xtramail.net.counted_line import CountedEndpoint
from xtramail.net.tls_client import ClientContexts, ClientTls, TlsMode

TIMEOUT = 10.0
"""Seconds from the first look at the name to the status line."""
_MOST_READ = 64 * 1024
"""Octets of an answer, of which only the status is wanted."""


class HttpWebhooks:
    """``delivery.webhook.Webhooks``. ``authorities`` (PEM) takes the place of the system's; may change."""

    def __init__(
        self,
        reactor: Any,
        *,
        clock: Clock,
        contexts: ClientContexts,
        authorities: Path | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._contexts = contexts
        self.authorities = authorities
        self._timeout = timeout
        self._under_way: set[Deferred[Any]] = set()

    def close(self) -> None:
        """Cut every call under way."""
        for asked in list(self._under_way):
            asked.cancel()

    def post(self, call: Call) -> Pending[Answer]:
        policy = _Verified(self._contexts, self.authorities)
        answer: Pending[Answer] = Pending()
        headers = Headers(
            {
                "Content-Type": ["application/json"],
                "User-Agent": [f"xtramail/{__version__}"],
                CALL_ID: [call.id],
                SIGNATURE: [signature(call.secret, int(self._clock.now()), call.body)],
            }
        )
        try:
            place = _Place(self._reactor, policy, self._timeout)
            agent: Any = Agent.usingEndpointFactory(self._reactor, place)  # type: ignore[no-untyped-call]
            octets: Any = _Octets(call.body)
            asked: Deferred[Any] = agent.request(b"POST", call.url.encode("ascii"), headers, octets)
        except Exception as error:
            # A URL that passed our rule and not Twisted's must not stop the alerts of others.
            return Pending.of(Answer(good=False, text=f"cannot be called: {error}"))
        self._under_way.add(asked)
        late = self._reactor.callLater(self._timeout, asked.cancel)

        def ended(result: object) -> None:
            self._under_way.discard(asked)
            if late.active():
                late.cancel()
            else:
                result = Answer(good=False, text=f"no answer within {self._timeout:g} s")
            if isinstance(result, Failure):
                result = Answer(good=False, text=policy.fault or _words(result))
            if not isinstance(result, Answer):
                raise TypeError(result)
            answer.settle(result)

        asked.addCallback(_answered).addBoth(ended)
        return answer


def _answered(response: Any) -> Answer:
    # What a receiver says beyond its status is of no use to us, however long it is.
    response.deliverBody(_Unread())
    code = int(response.code)
    if 300 <= code < 400:
        return Answer(good=False, text=f"{code}: redirects are not followed; set the URL it leads to")
    return Answer(good=200 <= code < 300, text=str(code))


def _words(failure: Failure) -> str:
    error: Any = failure.value
    if isinstance(error, ResponseFailed) and error.reasons:
        error = error.reasons[0].value
    if isinstance(error, DNSLookupError):
        return "its name cannot be found"
    if isinstance(error, ConnectTimeout | CancelledError):
        return "no answer to the connection"
    if isinstance(error, ConnectError):
        return f"no connection: {type(error).__name__}"
    return f"no answer: {type(error).__name__}"


class _Unread(Protocol):
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()


@implementer(IBodyProducer)
class _Octets:
    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.length = len(octets)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._octets)
        return succeed(None)

    def pauseProducing(self) -> None:
        return

    def resumeProducing(self) -> None:
        return

    def stopProducing(self) -> None:
        return


class _Verified:
    """Chain and name, as for a primary that is verified; remembers in words what was wrong."""

    def __init__(self, contexts: ClientContexts, authorities: Path | None) -> None:
        self._contexts = contexts
        self._authorities = authorities
        self._tls: ClientTls | None = None

    @property
    def fault(self) -> str:
        return "" if self._tls is None else self._tls.fault

    def over(self, hostname: bytes) -> ClientTls:
        self._tls = self._contexts.for_host(
            hostname.decode("ascii").strip("[]"), mode=TlsMode.VERIFY, ca_file=self._authorities
        )
        return self._tls


@implementer(IAgentEndpointFactory)
class _Place:
    """Where a URL leads, over TLS where it says so, with the octets counted that come back."""

    def __init__(self, reactor: Any, policy: _Verified, timeout: float) -> None:
        self._reactor = reactor
        self._policy = policy
        self._timeout = timeout

    def endpointForURI(self, uri: Any) -> CountedEndpoint:
        endpoint: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._timeout)
        if uri.scheme == b"https":
            creator: Any = self._policy.over(uri.host)
            endpoint = wrapClientTLS(creator, endpoint)
        return CountedEndpoint(endpoint, most=_MOST_READ)
