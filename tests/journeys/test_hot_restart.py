"""A restart under load, with the ports held by systemd: nobody is refused, nothing is lost, nothing comes twice."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.journeys.activated import Activated
from tests.journeys.conftest import ANN, DOMAIN
from tests.journeys.harness import eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary

SENDERS = 3
READERS = 2
BETWEEN = 12
"""Messages taken and logins made before each restart and after the last one."""
ENDED = (ConnectionResetError, BrokenPipeError, EOFError, ssl.SSLError)
"""A connection that was taken has ended. One that was refused is no such thing."""


class Load:
    """Clients that go on until told to stop, each in a thread of its own. They come again, as mail servers and mail
    programs do, when they are told to, or when the connection ends before the question was asked."""

    def __init__(self, server: Activated) -> None:
        self._server = server
        self._stopping = threading.Event()
        self.taken: list[str] = []
        """Message-IDs answered with 250."""
        self.unanswered: list[str] = []
        """Message-IDs whose final dot has no answer: they are not sent again."""
        self.logins = 0
        self.errors: list[str] = []
        """A connection that was refused, above all."""
        works: list[Callable[[], None]] = [
            *(lambda number=number: self._send(number) for number in range(SENDERS)),
            *(self._read for _ in range(READERS)),
        ]
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def more(self, further: int) -> Callable[[], bool]:
        """Whether that many more messages were taken, and logins made, since now."""
        taken, logins = len(self.taken) + further, self.logins + further
        return lambda: bool(self.errors) or (len(self.taken) >= taken and self.logins >= logins)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            raise

    def _send(self, sender: int) -> None:
        numbers = count()
        while not self._stopping.is_set():
            with contextlib.suppress(*ENDED, smtplib.SMTPException), self._server.smtp() as client:
                client.ehlo()
                while not self._stopping.is_set():
                    self._give(client, f"{sender}-{next(numbers)}")

    def _give(self, client: smtplib.SMTP, name: str) -> None:
        if client.mail("bob@sender.example")[0] != 250 or client.rcpt(ANN)[0] != 250 or client.docmd("DATA")[0] != 354:
            raise smtplib.SMTPServerDisconnected("told to come again")
        # From here on the message may be theirs.
        self.unanswered.append(name)
        client.send(mail(name).replace(b"\r\n.", b"\r\n..") + b".\r\n")
        code, _ = client.getreply()
        self.unanswered.remove(name)
        if code != 250:
            raise smtplib.SMTPServerDisconnected("told to come again")
        self.taken.append(name)

    def _read(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(*ENDED, imaplib.IMAP4.abort):
                with self._server.imap(ANN) as client:
                    client.select("INBOX")
                self.logins += 1


@pytest.fixture
def held(tmp_path: Path, primary: ScriptedPrimary) -> Iterator[Activated]:
    server = Activated(tmp_path / "server")
    server.init()
    server.add_domain(DOMAIN, "--primary", primary.host)
    server.add_user(ANN)
    server.start()
    yield server
    server.close()


def names(messages: list[bytes]) -> Counter[str]:
    """Message-IDs' left sides, each with how often it is there."""
    lines = [line for message in messages for line in message.split(b"\r\n") if line.startswith(b"Message-ID:")]
    return Counter(line.partition(b"<")[2].partition(b"@")[0].decode() for line in lines)


def test_under_load_nobody_notices_a_restart(held: Activated, primary: ScriptedPrimary) -> None:
    load = Load(held)
    try:
        for _ in range(3):
            eventually(load.more(BETWEEN), what="mail and logins")
            assert held.stop() == 0
            held.start()
        eventually(load.more(BETWEEN), what="mail and logins")
    finally:
        load.stop()
    assert load.errors == []
    assert load.unanswered == [], "a message under way is answered before the server ends"
    assert not _kept_and_handed_on(held, primary, load, doubtful=set())


def test_under_load_a_killed_server_refuses_nobody_either(held: Activated, primary: ScriptedPrimary) -> None:
    load = Load(held)
    try:
        for _ in range(3):
            eventually(load.more(BETWEEN), what="mail and logins")
            held.kill()
            held.start()
        eventually(load.more(BETWEEN), what="mail and logins")
    finally:
        load.stop()
    assert load.errors == []
    _kept_and_handed_on(held, primary, load, doubtful=set(load.unanswered))


def _kept_and_handed_on(
    held: Activated, primary: ScriptedPrimary, load: Load, *, doubtful: set[str]
) -> set[str]:
    """Each message is here once, and was handed on; gives those that the primary has twice, which may be when the
    server was killed before its answer was written down."""
    with held.imap(ANN) as client:
        here = names(fetched(client))
    assert set(here) - doubtful == set(load.taken)
    assert set(here.values()) == {1}
    held.drains()
    there = names([one.octets for one in primary.messages])
    assert set(there) == set(here)
    return {name for name, times in there.items() if times > 1}
