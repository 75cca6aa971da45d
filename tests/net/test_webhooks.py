"""Calls over real HTTP on loopback: what is sent, and what is made of every kind of answer."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from xtramail.app.authority import issue
from xtramail.delivery.webhook import Answer, Call
from xtramail.model.clock import SetClock
from xtramail.model.secret import Secret
from xtramail.net.adapter import deferred
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.tls import ServerContexts
from xtramail.net.tls_client import ClientContexts
from xtramail.net.webhooks import HttpWebhooks

SECRET = "0123456789abcdef"
NOW = 1_767_225_600


class Receiver(Resource):
    """``say`` is what it does with a request."""

    isLeaf = True

    def __init__(self, say: Callable[[Request], Any]) -> None:
        super().__init__()
        self.say = say
        self.got: list[tuple[dict[bytes, bytes], bytes]] = []

    def render_POST(self, request: Request) -> Any:
        headers = {name.lower(): values[0] for name, values in request.requestHeaders.getAllRawHeaders()}
        self.got.append((headers, request.content.read()))
        return self.say(request)


def code(number: int, **headers: str) -> Callable[[Request], bytes]:
    def say(request: Request) -> bytes:
        request.setResponseCode(number)
        for name, value in headers.items():
            request.setHeader(name.encode(), value.encode())
        return b"so it is\n"

    return say


@contextmanager
def listening(factory: Any, tls: Path | None = None) -> Iterator[str]:
    """The URL of ``factory``, over TLS with the certificate in the folder ``tls``."""
    served = factory
    if tls is not None:
        store = CertificateStore(tls)
        store.reload(time.time())
        served = TLSMemoryBIOFactory(ServerContexts(store, alpn=(b"http/1.1",)), False, factory)
    port = reactor.listenTCP(0, served, interface="127.0.0.1")
    try:
        scheme = "https" if tls is not None else "http"
        yield f"{scheme}://127.0.0.1:{port.getHost().port}/hook?a=b"
    finally:
        port.stopListening()


async def post(url: str, *, timeout: float = 10.0, authorities: Path | None = None) -> Answer:
    hooks = HttpWebhooks(
        reactor, clock=SetClock(NOW), contexts=ClientContexts(), authorities=authorities, timeout=timeout
    )
    return await deferred(hooks.post(Call(id="77", url=url, body=b'{"a":1}', secret=Secret(SECRET))))


@ensureDeferred
async def test_a_call_is_signed_json_with_an_id() -> None:
    receiver = Receiver(code(204))
    with listening(Site(receiver)) as url:
        assert await post(url) == Answer(good=True, text="204")
    ((headers, octets),) = receiver.got
    assert octets == b'{"a":1}' and headers[b"content-type"] == b"application/json"
    assert headers[b"x-xtramail-id"] == b"77"
    signed = hmac.new(SECRET.encode(), b"%d." % NOW + octets, hashlib.sha256).hexdigest()
    assert headers[b"x-xtramail-signature"].decode() == f"t={NOW},v1={signed}"


@pytest.mark.parametrize("number", [400, 404, 410, 500, 503])
@ensureDeferred
async def test_a_status_that_is_not_2xx_is_no_success(number: int) -> None:
    with listening(Site(Receiver(code(number)))) as url:
        assert await post(url) == Answer(good=False, text=str(number))


@pytest.mark.parametrize("number", [301, 302, 307, 308])
@ensureDeferred
async def test_a_redirect_is_not_followed(number: int) -> None:
    elsewhere = Receiver(code(200))
    with listening(Site(elsewhere)) as other, listening(Site(Receiver(code(number, location=other)))) as url:
        answer = await post(url)
    assert not answer.good and answer.text.startswith(f"{number}: redirects are not followed")
    assert elsewhere.got == []


@ensureDeferred
async def test_an_answer_that_does_not_come_is_waited_for_a_bounded_time() -> None:
    with listening(Site(Receiver(lambda request: NOT_DONE_YET))) as url:
        assert await post(url, timeout=0.5) == Answer(good=False, text="no answer within 0.5 s")


@ensureDeferred
async def test_an_endless_body_is_not_read() -> None:
    def endless(request: Request) -> Any:
        request.setResponseCode(200)
        for _ in range(100):
            request.write(b"x" * 65_536)
        return NOT_DONE_YET

    with listening(Site(Receiver(endless))) as url:
        assert await post(url) == Answer(good=True, text="200")


class Rude(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"220 this is mail\r\n")
        self.transport.loseConnection()


@ensureDeferred
async def test_what_is_no_http_is_no_answer() -> None:
    with listening(Factory.forProtocol(Rude)) as url:
        answer = await post(url)
    assert not answer.good and answer.text.startswith("no answer: ")


@ensureDeferred
async def test_nobody_there_is_no_connection() -> None:
    with listening(Site(Receiver(code(200)))) as url:
        pass
    assert await post(url) == Answer(good=False, text="no connection: ConnectionRefusedError")


@ensureDeferred
async def test_a_certificate_of_a_known_authority_with_the_right_name_is_good(tmp_path: Path) -> None:
    issue(tmp_path, ["127.0.0.1"], now=time.time())
    with listening(Site(Receiver(code(200))), tls=tmp_path) as url:
        assert (await post(url, authorities=tmp_path / "authority" / "ca.crt")).good


@ensureDeferred
async def test_a_certificate_of_an_unknown_authority_gets_nothing(tmp_path: Path) -> None:
    issue(tmp_path, ["127.0.0.1"], now=time.time())
    receiver = Receiver(code(200))
    with listening(Site(receiver), tls=tmp_path) as url:
        answer = await post(url)
    assert not answer.good and "nobody we trust" in answer.text
    assert receiver.got == []


@ensureDeferred
async def test_a_certificate_for_another_name_gets_nothing(tmp_path: Path) -> None:
    issue(tmp_path, ["hooks.example"], now=time.time())
    receiver = Receiver(code(200))
    with listening(Site(receiver), tls=tmp_path) as url:
        answer = await post(url, authorities=tmp_path / "authority" / "ca.crt")
    assert answer == Answer(good=False, text="certificate is for hooks.example, not for 127.0.0.1")
    assert receiver.got == []


@ensureDeferred
async def test_closing_cuts_what_is_under_way() -> None:
    hooks = HttpWebhooks(reactor, clock=SetClock(NOW), contexts=ClientContexts())
    with listening(Site(Receiver(lambda request: NOT_DONE_YET))) as url:
        answer = deferred(hooks.post(Call(id="1", url=url, body=b"", secret=Secret(SECRET))))
        hooks.close()
        assert not (await answer).good


class Endless(Protocol):
    """Says a status, and then fields without end."""

    def connectionMade(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 20_000)


@ensureDeferred
async def test_an_answer_without_end_is_cut_long_before_its_time_is_over() -> None:
    with listening(Factory.forProtocol(Endless)) as url:
        answer = await post(url)
    assert answer == Answer(good=False, text="no answer: ConnectionAborted")


@ensureDeferred
async def test_a_long_page_behind_a_good_status_is_no_fault() -> None:
    with listening(Site(Receiver(lambda request: b"x" * 1_000_000))) as url:
        assert await post(url) == Answer(good=True, text="200")
