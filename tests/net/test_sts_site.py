"""Policies over real HTTPS on loopback: good ones, and every way not to give one."""

from __future__ import annotations

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

from tests.delivery.promises import ScriptedNames
from xtramail.app.authority import issue
from xtramail.delivery.sts_policies import NoPolicy
from xtramail.net.adapter import deferred
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.sts_site import StsSite
from xtramail.net.tls import ServerContexts
from xtramail.net.tls_client import ClientContexts
from xtramail.wire.dns.answer import Address
from xtramail.wire.mta_sts import StsText

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: *.far.example\r\nmax_age: 604800\r\n"
NAME = "mta-sts.far.example"
DAY = 86_400.0


class Web(Resource):
    """``say`` is what it does with a request."""

    isLeaf = True

    def __init__(self, say: Callable[[Request], Any]) -> None:
        super().__init__()
        self.say = say
        self.got: list[tuple[bytes, bytes, bytes]] = []

    def render_GET(self, request: Request) -> Any:
        host = request.requestHeaders.getRawHeaders(b"host") or [b""]
        self.got.append((host[0], request.uri, request.clientproto))
        return self.say(request)


def page(octets: bytes, *, code: int = 200, kind: str = "text/plain", **headers: str) -> Callable[[Request], bytes]:
    def say(request: Request) -> bytes:
        request.setResponseCode(code)
        request.setHeader(b"content-type", kind.encode())
        for name, value in headers.items():
            request.setHeader(name.encode(), value.encode())
        return octets

    return say


class World:
    def __init__(self, folder: Path, *, name: str = NAME, since: float = 0.0, days: int = 90) -> None:
        """The certificate of the web server is for ``name``, from ``since`` seconds after now on."""
        self.folder = folder
        self.names = ScriptedNames().put(NAME, "A", Address("127.0.0.1"))
        issue(self.folder, [name], now=time.time() + since, days=days)
        self.store = CertificateStore(self.folder)
        self.store.reload(time.time())

    @contextmanager
    def serving(self, factory: Any) -> Iterator[int]:
        served = TLSMemoryBIOFactory(ServerContexts(self.store, alpn=(b"http/1.1",)), False, factory)
        port = reactor.listenTCP(0, served, interface="127.0.0.1")
        try:
            yield port.getHost().port
        finally:
            port.stopListening()

    async def fetch(self, port: int, *, timeout: float = 10.0, authorities: Path | None = None) -> StsText:
        site = StsSite(
            reactor,
            names=self.names,
            contexts=ClientContexts(),
            authorities=authorities or self.folder / "authority" / "ca.crt",
            port=port,
            timeout=timeout,
        )
        try:
            return await deferred(site.fetch("far.example"))
        finally:
            site.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@ensureDeferred
async def test_a_policy_is_asked_for_at_its_place_and_read(world: World) -> None:
    web = Web(page(POLICY, kind="Text/Plain; charset=utf-8"))
    with world.serving(Site(web)) as port:
        policy = await world.fetch(port)
    assert policy == StsText(mode="enforce", max_age=604_800, hosts=("*.far.example",))
    assert web.got == [(NAME.encode(), b"/.well-known/mta-sts.txt", b"HTTP/1.1")]


@ensureDeferred
async def test_an_address_where_nobody_listens_is_followed_by_the_next(world: World) -> None:
    world.names.put(NAME, "AAAA", Address("::1"))
    with world.serving(Site(Web(page(POLICY)))) as port:
        assert (await world.fetch(port)).mode == "enforce"


@ensureDeferred
async def test_one_family_of_addresses_is_enough(world: World) -> None:
    world.names.bad.add((NAME, "AAAA"))
    with world.serving(Site(Web(page(POLICY)))) as port:
        assert (await world.fetch(port)).mode == "enforce"


ANSWERS: dict[str, tuple[Callable[[Request], Any], str]] = {
    "not found": (page(POLICY, code=404), "says 404"),
    "server error": (page(POLICY, code=500), "says 500"),
    "moved": (page(POLICY, code=301, location="https://mta-sts.far.example/elsewhere"), "says 301"),
    "moved for now": (page(POLICY, code=302, location="/x"), "says 302"),
    "not modified": (page(b"", code=304), "says 304"),
    "a page": (page(POLICY, kind="text/html"), "not text/plain"),
    "no kind": (page(POLICY, kind=""), "not text/plain"),
    "no policy": (page(b"hello"), "line 1"),
    "too long": (page(POLICY + b"x: y\r\n" * 20_000), "longer than 65536"),
    "never": (lambda request: NOT_DONE_YET, "not had within 2 s"),
}


@pytest.mark.parametrize("name", ANSWERS)
@ensureDeferred
async def test_every_other_answer_is_no_policy(world: World, name: str) -> None:
    say, reason = ANSWERS[name]
    web = Web(say)
    with world.serving(Site(web)) as port, pytest.raises(NoPolicy, match=reason):
        await world.fetch(port, timeout=2.0 if name == "never" else 10)
    assert len(web.got) == 1


CERTIFICATES = {
    "another name": ("www.far.example", 0.0, 90, "is for www.far.example, not for mta-sts.far.example"),
    "the domain itself": ("far.example", 0.0, 90, "is for far.example, not for"),
    "expired": (NAME, -100 * DAY, 10, "expired"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
@ensureDeferred
async def test_a_certificate_that_is_not_good_gives_no_policy(tmp_path: Path, name: str) -> None:
    shown, since, days, reason = CERTIFICATES[name]
    world = World(tmp_path, name=shown, since=since, days=days)
    web = Web(page(POLICY))
    with world.serving(Site(web)) as port, pytest.raises(NoPolicy, match=reason):
        await world.fetch(port)
    assert web.got == []


@ensureDeferred
async def test_an_authority_that_nobody_trusts_gives_no_policy(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    issue(other, ["elsewhere.example"], now=time.time(), days=9)
    with world.serving(Site(Web(page(POLICY)))) as port, pytest.raises(NoPolicy, match="nobody we trust"):
        await world.fetch(port, authorities=other / "authority" / "ca.crt")


class Raw(Protocol):
    """Says octets whatever it is asked, and may go on for ever."""

    def __init__(self, octets: bytes, endless: bytes, close: bool) -> None:
        self.octets, self.endless, self.close = octets, endless, close
        self.sent = 0

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self.octets)
        if self.endless:
            self.transport.registerProducer(self, False)
        elif self.close:
            self.transport.loseConnection()

    def resumeProducing(self) -> None:
        self.sent += len(self.endless)
        self.transport.write(self.endless)

    def stopProducing(self) -> None:
        return


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
RAW: dict[str, tuple[bytes, bytes, str]] = {
    "shorter than it says": (HEAD + b"Content-Length: 400\r\n\r\n" + POLICY, b"", "no answer|cut short"),
    "no length": (HEAD + b"\r\n" + POLICY, b"", "cut short"),
    "no http": (b"220 mail.far.example ESMTP\r\n", b"", "no answer"),
    "silence": (b"", b"", "no answer"),
    "endless fields": (HEAD, b"X: " + b"y" * 1_000 + b"\r\n", "no answer"),
    "endless text": (HEAD + b"\r\n", b"x: " + b"y" * 1_000 + b"\r\n", "longer|no answer"),
    "endless chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nx: y\n\r\n", "longer|cut short"),
}


@pytest.mark.parametrize("name", RAW)
@ensureDeferred
async def test_a_hostile_web_server_costs_little_and_gives_nothing(world: World, name: str) -> None:
    octets, endless, reason = RAW[name]
    made: list[Raw] = []

    def build() -> Raw:
        made.append(Raw(octets, endless, close=True))
        return made[-1]

    with world.serving(Factory.forProtocol(build)) as port, pytest.raises(NoPolicy, match=reason):
        await world.fetch(port)
    assert all(one.sent < 8_000_000 for one in made)


@ensureDeferred
async def test_chunks_are_put_together(world: World) -> None:
    octets = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    octets += b"".join(b"%x\r\n%c\r\n" % (1, one) for one in POLICY) + b"0\r\n\r\n"
    with world.serving(Factory.forProtocol(lambda: Raw(octets, b"", close=False))) as port:
        assert (await world.fetch(port)).mode == "enforce"


@ensureDeferred
async def test_a_host_without_address_or_that_dns_cannot_find_gives_no_policy(world: World) -> None:
    world.names.put(NAME, "A")
    with pytest.raises(NoPolicy, match="mta-sts.far.example has no address"):
        await world.fetch(1)
    world.names.bad.add((NAME, "A"))
    with pytest.raises(NoPolicy, match="SERVFAIL"):
        await world.fetch(1)


@ensureDeferred
async def test_nobody_listening_is_said(world: World) -> None:
    with world.serving(Site(Web(page(POLICY)))) as port:
        pass
    with pytest.raises(NoPolicy, match="no connection"):
        await world.fetch(port)
