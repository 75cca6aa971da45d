"""One address floods every port in every way, and another one is served in under a second, in bounded memory."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.dialogue import Line
from tests.journeys.flood import ALL, KINDS, SECURE
from tests.journeys.harness import LONGEST_TURN_MS, Installation, Own, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary

CUSTOMER = "127.0.0.3"
HOSTILE = {kind: f"127.0.0.{number}" for number, kind in enumerate(KINDS, 20)}
"""An address each: what one did would be counted against the next, which would be turned away before it does harm."""
GROWTH = 48 << 20
"""Octets by which one flood may make the server grow, and so many all of them together for good."""
VISITS = 3
LEAST_OPEN = dict.fromkeys(KINDS, 30) | {"unread": 10, "keys": 5, "renegotiation": 0, "churn": 0, "guesses": 5}
"""Connections that one flood has at least, or it would not be what it is called. Some come and go."""
MAIL = 40
"""Messages of 200,000 octets in the mailbox that is fetched from and not read: more than may lie in memory."""
SLOW_TURN = LONGEST_TURN_MS
MOST_SAID = 600
"""Lines in the log about one address, however often it comes."""


@contextlib.contextmanager
def flooded(server: Installation, kind: str) -> Iterator[None]:
    """While the block runs, another process floods."""
    ports = json.dumps({name: server.ports[name] for name in ALL})
    program = Path(__file__).with_name("flood.py")
    with subprocess.Popen(
        [sys.executable, str(program), kind, HOSTILE[kind], ports, BEN, server.users[BEN]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdin is not None and running.stdout is not None
        try:
            assert running.stdout.readline() == "ready\n"
            yield
            running.stdin.close()
            connected = int(running.stdout.readline())
            assert connected >= KINDS[kind][2], f"a flood of {connected} connections is none"
        finally:
            running.kill()


class Customer:
    """Comes from another address than the flood. Each of its errands is timed from connecting to goodbye."""

    def __init__(self, server: Installation) -> None:
        self._server = server
        self._login = ANN, server.users[ANN]
        self._numbers = count()

    def errands(self) -> dict[str, Callable[[], None]]:
        return {
            "smtp": self.smtp, "submission": self.submission, "submissions": self.submissions, "imaps": self.imaps,
            "pop3s": self.pop3s,
        }  # fmt: skip

    def _line(self, service: str) -> Line:
        tls = self._server.tls() if service in SECURE else None
        return Line(self._server.ports[service], tls=tls, patience=60, source=CUSTOMER)

    def _sends(self, line: Line, sender: str) -> None:
        name = f"errand-{next(self._numbers)}"
        assert line.ask(f"MAIL FROM:<{sender}>").startswith("250")
        assert line.ask(f"RCPT TO:<{ANN}>").startswith("250")
        assert line.ask("DATA").startswith("354")
        assert line.ask(mail(name, sender=sender).decode() + ".").startswith("250")
        line.ask("QUIT")

    def smtp(self) -> None:
        with self._line("smtp") as line:
            assert line.hear().startswith("220")
            assert line.ask("EHLO sender.test").startswith("250")
            self._sends(line, "bob@sender.example")

    def submission(self) -> None:
        with self._line("submission") as line:
            assert line.hear().startswith("220")
            assert line.ask("EHLO laptop.test").startswith("250")
            assert line.ask("STARTTLS").startswith("220")
            line.start_tls(self._server.tls())
            self._submits(line)

    def submissions(self) -> None:
        with self._line("submissions") as line:
            assert line.hear().startswith("220")
            self._submits(line)

    def _submits(self, line: Line) -> None:
        name, password = self._login
        assert line.ask("EHLO laptop.test").startswith("250")
        plain = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        assert line.ask(f"AUTH PLAIN {plain}").startswith("235")
        self._sends(line, ANN)

    def imaps(self) -> None:
        name, password = self._login
        with self._line("imaps") as line:
            assert line.hear().startswith("* OK")
            assert line.command("a", f'LOGIN {name} "{password}"')[-1].startswith("a OK")
            assert line.command("b", "SELECT INBOX")[-1].startswith("b OK")
            fetched = line.command("c", "UID FETCH 1 BODY.PEEK[TEXT]")
            assert "This is message errand-0." in fetched and fetched[-1].startswith("c OK")
            line.command("d", "LOGOUT")

    def pop3s(self) -> None:
        name, password = self._login
        with self._line("pop3s") as line:
            assert line.hear().startswith("+OK")
            for said in (f"USER {name}", f"PASS {password}", "STAT", "QUIT"):
                line.say(said)
                assert line.hear().startswith("+OK"), said


def seconds(server: Installation, errand: Callable[[], None]) -> float:
    """Of a machine of the server's own: one that floods from elsewhere takes no processor from it."""
    own = Own(server.pid)
    errand()
    return own.seconds()


def memory(server: Installation) -> int:
    """Octets resident now; from here on :meth:`Installation.memory_peak` is the most since."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    return server.memory_peak()


def descriptors(server: Installation) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def connections(server: Installation) -> int:
    """Open now, at all services."""
    with urlopen(f"http://127.0.0.1:{server.ports['metrics']}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("xtramail_connections_open{")))


def slow_turns(server: Installation, since: int) -> list[dict[str, object]]:
    """Turns in which the server itself worked too long; what it waited for a busy machine is not its own."""
    return [line for line in server.log("turn-slow", since=since) if line["working_ms"] > SLOW_TURN]


@dataclass(frozen=True, slots=True)
class World:
    server: Installation
    customer: Customer
    memory: int
    """Octets, before anybody did harm."""
    descriptors: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """As delivered: limits and the price of a password are those of the defaults."""
    with ScriptedPrimary() as primary, contextlib.ExitStack() as stack:
        settings = ("limits.new-per-minute=300", "login.bcrypt-cost=12", 'login.least="300ms"')
        server = Installation(tmp_path_factory.mktemp("floods") / "server", settings=settings).init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for user in (ANN, BEN):
            server.add_user(user)
        stack.callback(server.close)
        server.start()
        with server.smtp() as client:
            for number in range(MAIL):
                client.sendmail("bob@sender.example", [BEN], mail(f"big-{number}", to=BEN, size=200_000))
        eventually(lambda: len(primary.messages) == MAIL, what="all of it is handed on")
        customer = Customer(server)
        # The first login takes the work of its password; it is remembered for the next ones.
        for errand in customer.errands().values():
            errand()
        yield World(server, customer, memory(server), descriptors(server))


@pytest.mark.parametrize("kind", KINDS)
def test_another_address_is_served_in_under_a_second(world: World, kind: str) -> None:
    server, errands = world.server, world.customer.errands()
    began, before = server.log_end(), memory(server)
    with flooded(server, kind):
        eventually(lambda: connections(server) >= LEAST_OPEN[kind], what="the flood is in")
        rounds = [{name: seconds(server, errand) for name, errand in errands.items()} for _ in range(VISITS)]
        peak = server.memory_peak()
    for name in errands:
        times = [one[name] for one in rounds]
        assert median(times) < 1, f"{name} took {times} seconds"
    assert peak - before < GROWTH, f"it grew by {(peak - before) >> 20} MiB"
    assert slow_turns(server, began) == []
    told = [line for line in server.log(since=began) if line.get("peer") == HOSTILE[kind]]
    assert len(told) < MOST_SAID, Counter(line["event"] for line in told)


def test_all_floods_together_leave_nothing_behind(world: World) -> None:
    """Behind all others: the connections are gone, and so is what they cost."""
    eventually(lambda: descriptors(world.server) <= world.descriptors + 5, what="no connection is left")
    assert memory(world.server) - world.memory < GROWTH
