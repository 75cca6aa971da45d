"""One installation with its real server process, as an administrator has it, and the clients that people use.

Made by ``xtramail init``, run by ``twistd``, administered by the ``xtramail`` command. Owns processes and waiting; what
is expected of them is the tests'. Nothing sleeps blindly: :func:`eventually` asks again until a deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import imaplib
import json
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.request import urlopen

from tests.journeys.command_process import CommandProcess, Forked

T = TypeVar("T")

PROGRAMS = Path(sys.executable).parent
TWISTD = str(PROGRAMS / "twistd")
SERVICES = ("smtp", "submission", "submissions", "imaps", "pop3s", "metrics")
PATIENCE = 90.0
"""Seconds for what only has to happen: on a busy machine it happens late. How soon is asked of :class:`Own`."""
STARTED_WITHIN = 90.0
STALE = "Removing stale pidfile"
"""twistd's own words about one that was killed."""
STOPPED_WITHIN = 90.0
LONGEST_TURN_MS = 250
"""Of work in one turn of the reactor, as the log tells it. A hundred are aimed at; processors that others use as well
work half as fast, and the kernel counts that as ours."""


def eventually(look: Callable[[], T], *, within: float = PATIENCE, what: str = "") -> T:
    """The first true answer of ``look``; AssertionError with its last answer when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or look}; last answer {answer!r}")
        time.sleep(0.02)


class Own:
    """Seconds that pass for us and for one process as on a machine of their own, from its making on.

    Those in which this thread, or the process's first one, could have run while others did are not counted: they are
    the machine's. What is promised to be soon is held to these, and is as sharp on a busy machine as on an idle one.
    """

    def __init__(self, pid: int) -> None:
        self._counts = Path("/proc/thread-self/schedstat"), Path(f"/proc/{pid}/schedstat")
        self._began = time.monotonic()
        self._before = self._waited()

    def _waited(self) -> int:
        """Nanoseconds ready to run and not running."""
        return sum(int(one.read_text().split()[1]) for one in self._counts)

    def seconds(self) -> float:
        return time.monotonic() - self._began - (self._waited() - self._before) / 1e9


FIRST_PORT, PORTS = 15_000, 15_000
"""Below those that the kernel gives away by itself."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now, and that nobody else is given for thousands of calls to come.

    Going round, over all processes of this user: one drawn by lot may be drawn by another before it is used.
    """
    turn = Path(tempfile.gettempdir()) / f"xtramail-ports-{os.getuid()}"
    with turn.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or os.getpid())
        ports: list[int] = []
        while len(ports) < count:
            last += 1
            with contextlib.suppress(OSError), socket.socket() as one:
                one.bind(("127.0.0.1", FIRST_PORT + last % PORTS))
                ports.append(FIRST_PORT + last % PORTS)
        file.truncate(0)
        file.write(str(last % PORTS))
    return ports


class Sender(smtplib.SMTP):
    """``taken_as``: the id that the answer to its last dot gave."""

    taken_as = ""

    def data(self, msg: Any) -> tuple[int, bytes]:
        code, text = super().data(msg)
        self.taken_as = text.decode().rpartition("queued as ")[2] if code == 250 else ""
        return code, text


@cache
def commands() -> CommandProcess:
    """One for all tests of this process."""
    return CommandProcess()


class Refused(AssertionError):
    """The command line said no: ``code`` and ``text``."""

    def __init__(self, arguments: Sequence[str], code: int, output: str) -> None:
        super().__init__(f"xtramail {' '.join(arguments)}: exit {code}: {output}")
        self.code = code
        self.text = output


class Installation:
    """``folder`` holds what ``xtramail init`` made; ports are free ones and stay the same over restarts."""

    def __init__(self, folder: Path, *, settings: Sequence[str] = (), forked: bool = True) -> None:
        """``settings`` are ``section.key=VALUE`` for ``--set``, on top of quick passwords and quick retries.

        ``forked``: from a process that has loaded the server already, unless it has an environment or a command line of
        its own. What is to be measured is started as the program itself.
        """
        self.folder = folder
        self.config = folder / "xtramail.toml"
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.settings = [
            "login.bcrypt-cost=4",
            'login.least="10ms"',
            'relay.retry=["300ms", "500ms"]',
            "limits.new-per-minute=0",
            *settings,
        ]
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.log_file = folder / "server.log"
        self._forked = forked
        self.environment: dict[str, str] = {}
        self.users: dict[str, str] = {}
        self.expected_alarms: frozenset[str] = frozenset()

    # The command line.

    def command(self, *arguments: str, text: str | None = None, environment: Mapping[str, str] | None = None) -> Any:
        """Run ``xtramail --config ... --json ARGUMENTS``; its JSON value. Refused for any other exit than 0.

        With an ``environment``, such as another clock's, it is the program itself that runs.
        """
        words = ["--config", str(self.config), "--json", *arguments]
        quick = {**os.environ, "XTRAMAIL_LOGIN_BCRYPT_COST": "4"}
        if environment:
            done = subprocess.run(
                [str(PROGRAMS / "xtramail"), *words],
                input=text,
                capture_output=True,
                text=True,
                timeout=120,
                env={**quick, **environment},
            )
        else:
            done = commands().run(words, text=text or "", environment=quick, seconds=120)
        if done.returncode != 0:
            raise Refused(arguments, done.returncode, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def init(self) -> Installation:
        words = ["init", str(self.folder), "--local", "--hostname", "mail.test"]
        commands().run(words, text="", environment=os.environ, seconds=120).check_returncode()
        return self

    def add_domain(self, name: str, *arguments: str) -> Any:
        added = self.command("domain", "add", name, *arguments)
        # An outage ends within a second of the primary's return, not within a minute.
        return self.command("domain", "set", name, "probe-busy=200ms") if "--primary" in arguments else added

    def add_user(self, address: str, password: str = "correct horse battery") -> Any:
        self.users[address] = password
        return self.command("user", "add", address, "--password-stdin", text=password + "\n")

    def balance(self) -> dict[str, int]:
        """The ledger's sums: ``accepted``, and one for each fate that is not zero. AssertionError when they differ."""
        status = self.command("status")
        ledger: dict[str, int] = {fate: count for fate, count in status["ledger"].items() if count}
        assert status["balanced"] and 2 * ledger.get("accepted", 0) == sum(ledger.values()), status
        return ledger

    def queue(self) -> list[dict[str, Any]]:
        waiting: list[dict[str, Any]] = self.command("queue", "list")
        return waiting

    # The server.

    def server_command(self) -> list[str]:
        return [
            TWISTD,
            "-n",
            f"--pidfile={self.folder / 'server.pid'}",
            *self.plugin_arguments(),
        ]

    def plugin_arguments(self) -> list[str]:
        listening = [f"--{name}=tcp:{port}:interface=127.0.0.1" for name, port in self.ports.items()]
        return ["xtramail", "--config", str(self.config), *listening, *(f"--set={one}" for one in self.settings)]

    def start(self, *, may_die: bool = False) -> Installation:
        """Start the server and wait until it answers, or is dead again where that was asked for."""
        assert self.process is None, "it runs already"
        began = self.log_end()
        with self.log_file.open("ab") as log:
            self.process = self.spawn(log, {**os.environ, **self.environment})
        try:
            self._wait_until_up(began, may_die)
        except AssertionError:
            # It must not live on beside the tests that come next, nor under their name.
            if self.process is not None:
                self.kill()
            raise
        return self

    def spawn(self, log: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes] | Forked:
        """The server's process, just begun."""
        program, *arguments = self.server_command()
        if self._forked and program == TWISTD and not self.environment:
            return commands().start(arguments, log=log.fileno(), folder=self.folder, environment=environment)
        return subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env=environment,
        )

    def _wait_until_up(self, began: int, may_die: bool) -> None:
        def up() -> bool:
            if self.process is not None and self.process.poll() is not None:
                if may_die:
                    return True
                self.process = None
                raise AssertionError(f"the server ended at once: {self.log_text()[-3000:]}")
            # Ports are bound before the store is open, so that they answer says too little; and a signal that comes
            # before the reactor runs, which greets, ends a server that has not stopped.
            return (
                bool(self.log("server-started", since=began))
                and all(answers(self.ports[name]) for name in SERVICES)
                and greets(self.ports["smtp"])
            )

        eventually(up, within=STARTED_WITHIN, what="the server has started and answers on its ports")

    @property
    def pid(self) -> int:
        assert self.process is not None, "it does not run"
        return self.process.pid

    def stop(self) -> int:
        """SIGTERM, as systemd does; the exit code once it is gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.stopped()

    def stopped(self) -> int:
        """It was told to stop: its exit code once it is gone, 0 when all went well."""
        code = self._gone()
        ends = [line["event"] for line in self.log() if line["event"] in ("server-started", "server-stopped")]
        # When everything is closed twistd ends itself by the signal that it was given.
        return 0 if code == -signal.SIGTERM and ends[-1:] == ["server-stopped"] else code

    def kill(self) -> None:
        """SIGKILL: no handler runs, no buffer is flushed."""
        assert self.process is not None
        self.process.kill()
        self._gone()

    def wait_for_death(self, within: float = PATIENCE) -> int:
        """It dies by itself, at a named point."""
        assert self.process is not None
        code = self.process.wait(within)
        self.process = None
        return code

    def _gone(self) -> int:
        assert self.process is not None
        try:
            code = self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            self.process = None
            raise AssertionError(f"it did not stop in {STOPPED_WITHIN} s") from None
        self.process = None
        return code

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def close(self) -> None:
        """Stop whatever runs, and hold its log to the rules: no bug, no traceback, no alarm that nobody expected."""
        if self.process is not None:
            if self.process.poll() is None:
                self.stop()
            self.process = None
        self.check_log()

    def log_text(self) -> str:
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    def log(self, event: str = "", *, since: int = 0) -> list[dict[str, Any]]:
        """The log's lines, all or those of one event, from octet ``since`` on (see :meth:`log_end`)."""
        octets = self.log_file.read_bytes()[since:] if self.log_file.exists() else b""
        # The last line may be half written.
        whole, _, _ = octets.rpartition(b"\n")
        lines = [json.loads(line) for line in whole.split(b"\n") if line.startswith(b"{")]
        return [line for line in lines if not event or line["event"] == event]

    def log_end(self) -> int:
        """Where the log ends now, in octets."""
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    def promptly(self, look: Callable[[], T], *, within: float, what: str = "") -> T:
        """The first true answer of ``look``, within so many seconds of a machine of our own."""
        own = Own(self.pid)
        answer = eventually(look, what=what)
        assert own.seconds() < within, f"{what or look}: {own.seconds():.2f} s"
        return answer

    def told(
        self, event: str, *, since: int, within: float = PATIENCE, count: int = 1, **fields: str
    ) -> list[dict[str, Any]]:
        """At least ``count`` lines of that event, as soon as they are there: quicker than asking the command line.

        ``fields`` say which one is meant (``id`` is what :meth:`send` gave) where others may be told meanwhile.
        """

        def found() -> list[dict[str, Any]]:
            lines = self.log(event, since=since)
            meant = [one for one in lines if all(one.get(name) == value for name, value in fields.items())]
            return meant if len(meant) >= count else []

        return eventually(found, within=within, what=f"the log says {event} {fields or ''}")

    def waits_for_nothing(self) -> None:
        """All that it took is handed on, and that is written down: a host has mail before we know that it does."""
        eventually(lambda: not self.queue(), what="the queue is empty")

    def drains(self) -> None:
        """As :meth:`waits_for_nothing`, once a person has let go what may have been delivered already: the answer to
        its dot was lost twice."""

        def empty() -> bool:
            waiting = self.queue()
            if held := [one["id"] for one in waiting if one["state"] == "held"]:
                self.command("queue", "release", *held)
            return not waiting

        eventually(empty, what="the queue drains")

    def finds_its_primary(self, state: str) -> None:
        """Wait until it holds the primary of its only domain to be ``state``, such as "down" or "up"."""

        def found() -> bool:
            return [one["state"] for one in self.command("outage", "status")] == [state]

        eventually(found, what=f"it finds its primary {state}")

    def check_log(self) -> None:
        text = self.log_text()
        bad = [line for line in text.splitlines() if "Traceback" in line or "Unhandled" in line]
        assert not bad, bad[:5]
        wrong = [line for line in self.log() if line["event"] == "bug" or line["level"] == "critical"]
        wrong = [line for line in wrong if not str(line.get("text", "")).startswith(STALE)]
        wrong += [line for line in self.log("alarm") if line["kind"] not in self.expected_alarms]
        assert not wrong, wrong
        # Work of ours, not what a busy machine makes of it.
        long = [line for line in self.log("turn-slow") if line["working_ms"] > LONGEST_TURN_MS]
        assert not long, long
        strange = [line for line in text.splitlines() if line and not line.startswith(("{", STALE))]
        assert not strange, strange[:20]

    def metric(self, name: str) -> float:
        """Its value now; ``name`` with its labels as they are scraped. AssertionError when there is none."""
        with urlopen(f"http://127.0.0.1:{self.ports['metrics']}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.split()[-1]) for line in lines if line.rpartition(" ")[0] == name]
        assert found, name
        return found[0]

    def memory_peak(self) -> int:
        """Octets of the most memory it ever had resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    # Its clients.

    @property
    def authority(self) -> Path:
        """The certificate that clients are told to trust."""
        return self.folder / "certs" / "authority" / "ca.crt"

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    @contextlib.contextmanager
    def smtp(self) -> Iterator[Sender]:
        with Sender("127.0.0.1", self.ports["smtp"], local_hostname="sender.test", timeout=60) as client:
            yield client

    @contextlib.contextmanager
    def submission(self, user: str) -> Iterator[smtplib.SMTP]:
        """587: STARTTLS, then a login."""
        with smtplib.SMTP("127.0.0.1", self.ports["submission"], local_hostname="laptop.test", timeout=60) as client:
            client._host = "localhost"  # type: ignore[attr-defined]  # whom the certificate must name
            client.starttls(context=self.tls())
            client.login(user, self.users[user])
            yield client

    @contextlib.contextmanager
    def submissions(self, user: str) -> Iterator[smtplib.SMTP_SSL]:
        """465: TLS from the first octet."""
        with self.submissions_unauthenticated() as client:
            client.login(user, self.users[user])
            yield client

    @contextlib.contextmanager
    def submissions_unauthenticated(self) -> Iterator[smtplib.SMTP_SSL]:
        """465 without a login."""
        port = self.ports["submissions"]
        with smtplib.SMTP_SSL("localhost", port, local_hostname="laptop.test", timeout=60, context=self.tls()) as one:
            yield one

    @contextlib.contextmanager
    def imap(self, user: str) -> Iterator[imaplib.IMAP4_SSL]:
        client = imaplib.IMAP4_SSL("localhost", self.ports["imaps"], ssl_context=self.tls(), timeout=60)
        try:
            client.login(user, self.users[user])
            yield client
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def send(self, message: bytes, to: str | Sequence[str], sender: str = "bob@sender.example") -> str:
        """One message through port 25; the id under which it was taken."""
        with self.smtp() as client:
            refused = client.sendmail(sender, to, message)
            assert not refused, refused
            return client.taken_as


def answers(port: int) -> bool:
    """Whether somebody accepts and, where a greeting is due, would give one."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def greets(port: int) -> bool:
    """Whether somebody accepts and says the first word."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        return bool(one.recv(4_096))
    return False


def mail(
    number: int | str, *, to: str = "ann@example.test", size: int = 0, sender: str = "bob@sender.example"
) -> bytes:
    """A plain message of its own Message-ID, CRLF line ends, at least ``size`` octets of text."""
    lines = [
        f"From: Bob <{sender}>",
        f"To: {to}",
        f"Subject: message {number}",
        f"Message-ID: <{number}@sender.example>",
        "Date: Mon, 02 Nov 2026 10:00:00 +0000",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "",
        f"This is message {number}.",
        ".a line that begins with a dot",
        "..and one with two",
        "",
    ]
    text = "\r\n".join(lines).encode()
    if size:
        line = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-+\r\n"
        text += line * (size // len(line) + 1)
    return text


def fetched(client: imaplib.IMAP4, mailbox: str = "INBOX") -> list[bytes]:
    """Every message of a mailbox, whole, without marking it as read."""
    status, answer = client.select(mailbox, readonly=True)
    assert status == "OK", answer
    if answer == [b"0"]:
        return []
    status, pieces = client.fetch("1:*", "(UID BODY.PEEK[])")
    assert status == "OK", pieces
    return [piece[1] for piece in pieces if isinstance(piece, tuple)]


def after_return_path(stored: bytes) -> bytes:
    """What is handed on: all but the first line, which must be the Return-Path."""
    first, _, rest = stored.partition(b"\r\n")
    assert first.startswith(b"Return-Path: "), first
    return rest


def after_trace(stored: bytes) -> bytes:
    """The octets as the sender gave them: without our Return-Path and our Received with its folded lines."""
    rest = after_return_path(stored)
    lines = rest.split(b"\r\n")
    assert lines[0].startswith(b"Received: "), lines[0]
    end = next(number for number, line in enumerate(lines[1:], 1) if not line.startswith((b" ", b"\t")))
    return b"\r\n".join(lines[end:])
