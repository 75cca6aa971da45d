"""The machine's clock jumps by hours, days and years, both ways, while the server runs and between its runs.

Nothing expires by that, nothing that waits is forgotten or given up, numbers only grow, and who is logged in goes on.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.dialogue import Line
from tests.journeys.harness import PATIENCE, Installation, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary

JUMPS = {
    "5 hours ahead": 5 / 24, "5 hours back": -5 / 24, "3 days ahead": 3, "3 days back": -3, "400 days ahead": 400,
    "400 days back": -400, "10 years ahead": 3_652, "10 years back": -3_652, "before 1980": -18_000,
}  # fmt: skip
"""In days."""
WALL = """
import os, struct, time
real, file = time.time, os.open(os.environ["WALL_OFFSET"], os.O_RDONLY | os.O_CLOEXEC)
time.time = lambda: real() + struct.unpack("d", os.pread(file, 8, 0))[0]
time.time_ns = lambda: int(time.time() * 1e9)
"""
"""Read by Python before anything else. libfaketime, told to leave the monotonic clock alone, breaks sleeping."""


class Clock:
    """The wall clock of the processes that are given :attr:`environment`; their monotonic clock is the machine's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "offset"
        self.set(0)
        (folder / "sitecustomize.py").write_text(WALL)
        self.environment = {"PYTHONPATH": str(folder), "WALL_OFFSET": str(self._file)}

    def set(self, days: float) -> None:
        """So far from the machine's own, from now on."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("d", days * 86_400))


def careless() -> ssl.SSLContext:
    """Whoever trusts a certificate by its time finds none in its time while the two sides' clocks are years apart."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Reader:
    """Ann at work in her mailbox, over one connection from before the jump to after it."""

    def __init__(self, server: Installation) -> None:
        self._line = Line(server.ports["imaps"], tls=careless())
        self._tag = 0
        self._line.hear()
        self.ask(f'LOGIN {ANN} "{server.users[ANN]}"')
        self.ask("ENABLE CONDSTORE")
        self.ask("SELECT INBOX")

    def ask(self, text: str) -> list[str]:
        self._tag += 1
        answer = self._line.command(f"a{self._tag}", text)
        assert answer[-1].startswith(f"a{self._tag} OK"), answer
        return answer

    def modseqs(self) -> dict[int, int]:
        """By UID."""
        self.ask("NOOP")
        found = {}
        for line in self.ask("UID FETCH 1:* (MODSEQ)"):
            if "MODSEQ (" in line:
                uid = int(line.partition("UID ")[2].split(" ")[0].rstrip(")"))
                found[uid] = int(line.partition("MODSEQ (")[2].partition(")")[0])
        return found

    def close(self) -> None:
        self._line.close()


@dataclass(slots=True)
class World:
    server: Installation
    primary: ScriptedPrimary
    clock: Clock
    tls: ssl.SSLContext
    phone: str
    """Password of a device, good for a year and a bit."""
    sent: int = 0
    """Messages to Ann so far, all of which she has under UIDs from 1 on."""
    modseq: int = 0
    """Greatest that she was told."""

    def send(self, to: str = ANN) -> None:
        self.server.send(mail(f"to-{to[:3]}-{len(self.primary.messages)}-{self.sent}", to=to), to)
        self.sent += to == ANN

    def look(self, reader: Reader) -> None:
        """All of it is there, and what was new or changed has greater numbers than all before it."""
        there = set(range(1, self.sent + 1))
        eventually(lambda: set(reader.modseqs()) == there, what="all that was sent, and nothing else")
        newest = reader.modseqs()[self.sent]
        assert newest > self.modseq
        reader.ask(rf"UID STORE 1 {'-' if self.sent % 2 else '+'}FLAGS (\Flagged)")
        self.modseq = reader.modseqs()[1]
        assert self.modseq > newest

    def hands_over(self) -> None:
        """The primary, which was away, is back: all that waited goes there in seconds, once."""
        waiting = len(self.server.queue())
        before = len(self.primary.messages)
        self.primary.accept()
        eventually(lambda: not self.server.queue(), what="the queue is empty")
        assert len(self.primary.messages) == before + waiting

    def connects(self, session: ssl.SSLSession | None = None) -> ssl.SSLSession | None:
        """A TLS session to be resumed by the next connection; ``session`` is offered, whatever is made of it."""
        raw = socket.create_connection(("127.0.0.1", self.server.ports["imaps"]), 90)
        with self.tls.wrap_socket(raw, server_hostname="localhost", session=session) as line:
            assert line.recv(1_000).startswith(b"* OK")
            return line.session

    def is_trusted(self) -> bool:
        """By clients that look at everything."""
        with contextlib.suppress(ssl.SSLError), Line(self.server.ports["imaps"], tls=self.server.tls()):
            return True
        return False

    def logs_in(self, password: str) -> bool:
        with Line(self.server.ports["imaps"], tls=self.tls) as line:
            line.hear()
            return line.command("a", f'LOGIN {ANN} "{password}"')[-1].startswith("a OK")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("clock")
    with ScriptedPrimary() as primary, contextlib.ExitStack() as stack:
        clock = Clock(folder / "clock")
        server = Installation(folder / "server", settings=("relay.hold-days=14",)).init()
        server.environment = clock.environment
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for user in (ANN, BEN):
            server.add_user(user)
        phone = server.command("device", "add", ANN, "--name", "phone", "--expires", "+200d")["generated"]
        stack.callback(server.close)
        server.start()
        world = World(server, primary, clock, careless(), phone)
        world.send()
        server.waits_for_nothing()
        yield world
        balanced = server.balance()
        assert balanced == {"accepted": len(primary.messages), "delivered": len(primary.messages)}
        assert server.command("verify", environment=clock.environment)["findings"] == []


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_while_it_runs_and_back(world: World, jump: str) -> None:
    server, primary, clock = world.server, world.primary, world.clock
    reader = Reader(server)
    session = world.connects()
    primary.refuse()
    began = server.log_end()
    world.send(BEN)
    server.told("recipient-deferred", since=began)

    clock.set(JUMPS[jump])
    world.send()
    world.look(reader)
    world.hands_over()
    assert world.logs_in(server.users[ANN])
    assert world.logs_in(world.phone) is (JUMPS[jump] < 200)
    world.connects(session)

    primary.refuse()
    world.send(BEN)
    clock.set(0)
    world.send()
    world.look(reader)
    world.hands_over()
    assert world.logs_in(world.phone)
    # It is looked at once a minute.
    eventually(world.is_trusted, within=60 + PATIENCE, what="the certificate is one of now")
    reader.close()


@pytest.mark.parametrize("jump", ["5 hours back", "3 days ahead", "400 days back", "10 years ahead", "before 1980"])
def test_a_jump_between_two_runs_and_back(world: World, jump: str) -> None:
    server, primary, clock = world.server, world.primary, world.clock
    primary.refuse()
    for days in (JUMPS[jump], 0):
        world.send(BEN)
        assert server.stop() == 0
        clock.set(days)
        began = server.log_end()
        server.start()
        world.send()
        reader = Reader(server)
        world.look(reader)
        reader.close()
        assert len(server.queue()) >= 2, "nothing was given up"
        plan = server.command("expire", "--dry-run", environment=clock.environment)
        assert not plan["dropped"] and (abs(days) < 1 or plan["paused"])
        assert server.log("bucket-dropped", since=began) == []
    world.hands_over()
    assert world.is_trusted()
