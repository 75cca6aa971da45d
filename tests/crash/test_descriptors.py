"""The server has no descriptors left for more clients: those that are there go on, and the others wait their turn."""

from __future__ import annotations

import contextlib
import imaplib
import signal
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, DOMAIN
from tests.journeys.dialogue import Line
from tests.journeys.harness import Installation, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary

LIMIT = 64
SERVICES = ("smtp", "submission", "submissions", "imaps", "pop3s")


class Small(Installation):
    """``LIMIT`` descriptors, which no process may raise."""

    def server_command(self) -> list[str]:
        return ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh", *super().server_command()]


@pytest.fixture
def primary() -> Iterator[ScriptedPrimary]:
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def server(tmp_path: Path, primary: ScriptedPrimary) -> Iterator[Installation]:
    settings = ("limits.unauthenticated-per-address=0", f'log.file="{tmp_path}/mail.log"')
    one = Small(tmp_path / "server", settings=settings).init()
    one.log_file = tmp_path / "mail.log"
    one.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    one.add_user(ANN)
    yield one.start()
    one.close()


def flood(stack: contextlib.ExitStack, server: Installation) -> None:
    """More connections than there are descriptors; those that are not taken wait."""
    for _ in range(LIMIT // len(SERVICES) + 2):
        for service in SERVICES:
            stack.enter_context(socket.create_connection(("127.0.0.1", server.ports[service]), 5))


def greeted(server: Installation, *, within: float) -> bool:
    with Line(server.ports["smtp"]) as line, contextlib.suppress(TimeoutError):
        return line.hear(within=within).startswith(("220", "421"))
    return False


def goes_on(
    server: Installation, primary: ScriptedPrimary, reader: imaplib.IMAP4, sender: smtplib.SMTP, number: int
) -> None:
    """What was connected before works, with everything behind it: the store, the primary, the log's file."""
    sender.sendmail("bob@sender.example", [ANN], mail(number))
    eventually(lambda: len(primary.messages) == number, what="handed on over a connection of our own")
    eventually(lambda: reader.select("INBOX")[1] == [str(number).encode()], what="it can be read")
    assert reader.append("Drafts", None, None, mail("draft"))[0] == "OK"  # type: ignore[arg-type]
    since = server.log_end()
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    server.told("settings-reloaded", since=since)


def test_existing_sessions_go_on_and_the_others_are_served_once_there_is_room(
    server: Installation, primary: ScriptedPrimary
) -> None:
    with server.imap(ANN) as reader, server.smtp() as sender:
        reader.select("INBOX")
        for number in (1, 2):
            with contextlib.ExitStack() as stack:
                flood(stack, server)
                eventually(lambda: not greeted(server, within=3), what="who comes now waits in the kernel")
                goes_on(server, primary, reader, sender, number)
            assert eventually(lambda: greeted(server, within=1), what="served again, by itself")
    assert len(server.log("accepting-paused")) in (1, 2), "not each time"
    assert len([line for line in server.log("alert-raised") if line["kind"] == "descriptors"]) == 1
    assert server.command("verify")["findings"] == []
