"""STARTTLS on 143: nothing of an account before TLS, and nothing that was said before it afterwards."""

from __future__ import annotations

import imaplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from xtramail.net.imap_service import ImapService
from xtramail.net.tls import TlsService
from xtramail.wire.imap.client_masks import read_client_mask


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def serving(folder: Path, world: World) -> Iterator[int]:
    """A port like 143."""
    now = time.time()
    issue(folder, ["mail.example.org"], now=now)
    tls = TlsService(
        CertificateStore(folder, default_name="mail.example.org"),
        reactor=Clock(),
        now=lambda: now,
        on_reload=lambda identities, faults: None,
    )
    world.service = ImapService(
        config=replace(world.service.config, tls_active=False, starttls=True),
        times=world.service.times,
        collaborators=replace(world.service.collaborators, tls_context=tls.contexts(alpn=(b"imap",))),
        name="imap",
        masks=(read_client_mask("name=choke: IDLE"),),
    )
    tls.startService()
    listening: Any = reactor
    door = Door(direct=True)
    door.open(ImapFactory(world.service))
    port: Any = door.fit(listening.listenTCP(0, door, interface="127.0.0.1"))
    try:
        yield port.getHost().port
    finally:
        tls.stopService()
        port.stopListening()
        world.service.cut()


def said(connection: socket.socket, octets: bytes, until: bytes) -> bytes:
    connection.sendall(octets)
    heard = b""
    while until not in heard:
        piece = connection.recv(65536)
        if not piece:
            break
        heard += piece
    return heard


async def played(folder: Path, play: Callable[[socket.socket], list[bytes]]) -> list[bytes]:
    world = World(reactor=reactor)

    def connected(port: int) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.settimeout(20)
            return play(connection)

    with serving(folder, world) as port:
        return await deferToThread(connected, port)  # type: ignore[no-any-return]


@ensureDeferred
async def test_imaplib_upgrades_logs_in_and_reads(tmp_path: Path) -> None:
    world = World(reactor=reactor)
    world.deliver()

    def use(port: int) -> tuple[Any, ...]:
        client = imaplib.IMAP4("127.0.0.1", port, timeout=20)
        before = client.capabilities
        client.starttls(trusting())
        client.login("ann@example.org", PASSWORD)
        client.select("INBOX")
        return before, client.capabilities, client.fetch("1", "(BODY.PEEK[])")[1][0][1], client.logout()[0]

    with serving(tmp_path, world) as port:
        before, after, mail, left = await deferToThread(use, port)
    assert {"STARTTLS", "LOGINDISABLED"} <= set(before) and not any(name.startswith("AUTH=") for name in before)
    assert "AUTH=PLAIN" in after and not {"STARTTLS", "LOGINDISABLED"} & set(after)
    assert (mail, left) == (MAIL, "BYE")


@pytest.mark.parametrize(
    "command", [b"LOGIN ann@example.org secret", b"AUTHENTICATE PLAIN", b"AUTHENTICATE PLAIN AGEAYg=="]
)
def test_passwords_are_refused_before_tls(command: bytes) -> None:
    from_client = World()
    from_client.service.config = replace(from_client.service.config, tls_active=False, starttls=True)
    client = from_client.client(login=False)
    assert client.say(command.decode()).startswith("T NO [PRIVACYREQUIRED] ")
    assert client.say("SELECT INBOX").startswith("T BAD ")


@ensureDeferred
async def test_commands_injected_behind_starttls_are_never_run(tmp_path: Path) -> None:
    def play(connection: socket.socket) -> list[bytes]:
        greeting = said(connection, b"", b"\r\n")
        answer = said(connection, b"a STARTTLS\r\nb CAPABILITY\r\nc LOGOUT\r\n", b"\r\n")
        with trusting().wrap_socket(connection) as secure:
            return [greeting, answer, said(secure, b"d NOOP\r\n", b"d "), said(secure, b"e STARTTLS\r\n", b"e ")]

    _, answer, first, again = await played(tmp_path, play)
    assert answer == b"a OK Begin TLS\r\n"
    assert first == b"d OK Done\r\n", "nothing of b or c"
    assert again.startswith(b"e BAD ")


@ensureDeferred
async def test_what_a_client_said_of_itself_before_tls_is_forgotten(tmp_path: Path) -> None:
    def play(connection: socket.socket) -> list[bytes]:
        said(connection, b"", b"\r\n")
        hidden = said(connection, b'a ID ("name" "choke")\r\nb CAPABILITY\r\n', b"b OK")
        said(connection, b"c STARTTLS\r\n", b"c OK")
        with trusting().wrap_socket(connection) as secure:
            return [hidden, said(secure, b"d CAPABILITY\r\n", b"d OK")]

    hidden, after = await played(tmp_path, play)
    assert b" IDLE " not in hidden.split(b"CAPABILITY")[-1]
    assert b" IDLE " in after


@ensureDeferred
async def test_a_handshake_that_fails_leaves_no_connection(tmp_path: Path) -> None:
    def play(connection: socket.socket) -> list[bytes]:
        said(connection, b"a STARTTLS\r\n", b"a OK")
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
        left = b""
        try:
            while piece := connection.recv(65536):
                left += piece
        except ConnectionResetError:
            pass
        return [left]

    (left,) = await played(tmp_path, play)
    assert b"OK" not in left and b"BAD" not in left
