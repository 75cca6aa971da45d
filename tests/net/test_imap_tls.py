"""IMAP over real sockets and TLS, with the standard library's client."""

from __future__ import annotations

import imaplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from tests.imap_world import MAIL, PASSWORD, World
from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.door import Door
from xtramail.net.imap_factory import ImapFactory
from xtramail.net.tls import TlsService

T = TypeVar("T")
BIG = b"Subject: big\r\n\r\n" + bytes(33 + n * 7 % 90 for n in range(100_000)) * 50


@pytest.fixture(params=[True, False], ids=["direct", "stock"])
def direct(request: pytest.FixtureRequest) -> bool:
    """Whether TLS is on the socket itself, or Twisted's own."""
    return bool(request.param)


@contextmanager
def serving(folder: Path, world: World, *, direct: bool) -> Iterator[Callable[[], imaplib.IMAP4_SSL]]:
    """Gives what opens a client connection (call it in a thread)."""
    now = time.time()
    issue(folder, ["mail.example.org"], now=now)
    service = TlsService(
        CertificateStore(folder, default_name="mail.example.org"),
        reactor=Clock(),
        now=lambda: now,
        on_reload=lambda identities, faults: None,
    )
    door = Door(direct=direct)
    door.open(ImapFactory(world.service), contexts=service.contexts(alpn=(b"imap",)))
    service.startService()
    port: Any = door.fit(reactor.listenTCP(0, door, interface="127.0.0.1"))
    trusted = ssl.create_default_context()
    trusted.check_hostname = False
    trusted.verify_mode = ssl.CERT_NONE

    def connect() -> imaplib.IMAP4_SSL:
        return imaplib.IMAP4_SSL("127.0.0.1", port.getHost().port, ssl_context=trusted, timeout=20)

    try:
        yield connect
    finally:
        service.stopService()
        port.stopListening()
        world.service.cut()


@ensureDeferred
async def test_imaplib_reads_a_mailbox_and_a_large_message(tmp_path: Path, direct: bool) -> None:
    world = World(reactor=reactor)
    world.deliver()
    world.deliver(BIG)

    def use(connect: Callable[[], imaplib.IMAP4_SSL]) -> tuple[Any, ...]:
        client = connect()
        client.login("ann@example.org", PASSWORD)
        counted = client.select("INBOX")
        small = client.fetch("1", "(RFC822)")
        big = client.uid("FETCH", "2", "(BODY.PEEK[])")
        stored = client.store("1", "+FLAGS", "(\\Answered)")
        appended = client.append("Sent", "(\\Seen)", "", MAIL)  # type: ignore[arg-type]
        found = client.search(None, "ANSWERED")
        client.logout()
        return counted, small, big, stored, appended, found

    with serving(tmp_path, world, direct=direct) as connect:
        counted, small, big, stored, appended, found = await deferToThread(use, connect)
    assert counted == ("OK", [b"2"])
    assert small[1][0][1] == MAIL
    assert big[1][0][1] == BIG
    assert stored[1] == [b"1 (FLAGS (\\Answered \\Seen \\Recent))"]
    assert appended[0] == "OK"
    assert found == ("OK", [b"1"])


@ensureDeferred
async def test_a_large_message_comes_in_through_append(tmp_path: Path, direct: bool) -> None:
    world = World(reactor=reactor)

    def use(connect: Callable[[], imaplib.IMAP4_SSL]) -> tuple[Any, Any]:
        client = connect()
        client.login("ann@example.org", PASSWORD)
        appended = client.append("Archive", "", "", BIG)  # type: ignore[arg-type]
        client.select("Archive")
        read = client.fetch("1", "(BODY.PEEK[])")
        client.logout()
        return appended, read

    with serving(tmp_path, world, direct=direct) as connect:
        appended, read = await deferToThread(use, connect)
    assert appended[0] == "OK"
    assert read[1][0][1] == BIG


@ensureDeferred
async def test_a_client_that_does_not_read_holds_nobody_up_and_costs_little(tmp_path: Path, direct: bool) -> None:
    world = World(reactor=reactor)
    world.deliver(BIG)

    def use(connect: Callable[[], imaplib.IMAP4_SSL]) -> tuple[float, int]:
        lazy, quick = connect(), connect()
        for client in (lazy, quick):
            client.login("ann@example.org", PASSWORD)
            client.select("INBOX", readonly=True)
        lazy.send(b"x1 FETCH 1 (BODY[])\r\n" * 20)
        began = time.monotonic()
        read = quick.fetch("1", "(BODY.PEEK[])")
        took = time.monotonic() - began
        size = len(read[1][0][1])  # type: ignore[index, arg-type]
        lazy.shutdown()
        quick.logout()
        return took, size

    with serving(tmp_path, world, direct=direct) as connect:
        took, size = await deferToThread(use, connect)
    assert size == len(BIG)
    assert took < 10


@ensureDeferred
async def test_fifty_connections_that_one_address_opens_at_once_are_all_greeted(tmp_path: Path, direct: bool) -> None:
    world = World(reactor=reactor)
    assert world.limits.settings.handshakes_per_address < world.limits.settings.unauthenticated_per_address == 50

    def use(connect: Callable[[], imaplib.IMAP4_SSL]) -> int:
        with ThreadPoolExecutor(50) as threads:
            clients = list(threads.map(lambda _: connect(), range(50)))
        for client in clients:
            client.shutdown()
        return sum(client.welcome.startswith(b"* OK") for client in clients)

    with serving(tmp_path, world, direct=direct) as connect:
        assert await deferToThread(use, connect) == 50


@ensureDeferred
async def test_who_is_silent_in_the_handshake_delays_no_other_address(tmp_path: Path, direct: bool) -> None:
    world = World(reactor=reactor)

    def use(connect: Callable[[], imaplib.IMAP4_SSL]) -> tuple[float, bytes]:
        before = connect()
        server = before.socket().getpeername()
        silent = [socket.create_connection(server, source_address=("127.0.0.2", 0)) for _ in range(45)]
        began = time.monotonic()
        client = connect()
        took = time.monotonic() - began
        for one in (before, client):
            one.shutdown()
        for line in silent:
            line.close()
        return took, client.welcome

    with serving(tmp_path, world, direct=direct) as connect:
        took, welcome = await deferToThread(use, connect)
    assert welcome.startswith(b"* OK")
    assert took < 10
