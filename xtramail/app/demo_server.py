"""One demonstration from its first start to Ctrl-C: installation, primary and server as processes, first mail.

Owns making and running it; what a person is told stands in ``demo_text``, the walk through an outage in ``demo_tour``.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from xtramail.app.command.init import create
from xtramail.app.config import load
from xtramail.app.demo_folder import ANN, BEN, DOMAIN, PRIMARY_PORT, USERS, DemoFolder
from xtramail.app.paths import Paths
from xtramail.app.settings import Settings
from xtramail.directory import passwords, users
from xtramail.directory.desk import Desk
from xtramail.directory.domains import add_domain, parse_change, set_domain
from xtramail.directory.keyring import load_keyring
from xtramail.model.actor import SERVER
from xtramail.model.address import Address
from xtramail.model.clock import SystemClock
from xtramail.model.errors import BadInput
from xtramail.model.pending import drive
from xtramail.store.lmdb_engine import LmdbEngine

START_SECONDS = 30.0
STOP_SECONDS = 40.0
HOST = "127.0.0.1"

_SETTINGS = """
# The demonstration's next hop is tried again quickly.
[relay]
retry = ["1s", "2s", "5s"]

[log]
file = "demo/server.log"
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the server of a demonstration listens."""

    smtp: int
    submission: int
    submissions: int
    imaps: int
    pop3s: int

    @classmethod
    def of(cls, settings: Settings) -> Ports:
        listen = settings.listen
        return cls(
            smtp=_port(listen.smtp, "smtp"),
            submission=_port(listen.submission, "submission"),
            submissions=_port(listen.submissions, "submissions"),
            imaps=_port(listen.imaps, "imaps"),
            pop3s=_port(listen.pop3s, "pop3s"),
        )

    @property
    def all(self) -> tuple[int, ...]:
        return (self.smtp, self.submission, self.submissions, self.imaps, self.pop3s)


def _port(endpoints: tuple[str, ...], name: str) -> int:
    for endpoint in endpoints:
        number = endpoint.split(":")[1] if ":" in endpoint else ""
        if number.isdigit():
            return int(number)
    raise BadInput(f'listen.{name}: the demonstration needs a TCP port, such as "tcp:2525:interface=127.0.0.1"')


def settings_of(place: DemoFolder) -> Settings:
    return load(config=str(place.config), options={}, environ={}).settings


def prepare(place: DemoFolder, now: float) -> bool:
    """Make whatever is missing of a demonstration in that folder; whether it is its first start."""
    if not place.config.exists():
        create(place.directory, ("localhost",), local=True, now=now)
        with place.config.open("a", encoding="utf-8") as file:
            file.write(_SETTINGS)
    if place.exists:
        return False
    port = free_port(PRIMARY_PORT)
    settings = settings_of(place)
    paths = Paths.of(settings, place.config)
    engine = LmdbEngine(paths.store, map_size=settings.store.map_size)
    try:
        place.create(_people(Desk(engine, SERVER, SystemClock()), paths.keys, port), port)
    finally:
        engine.close()
    return True


def _people(desk: Desk, keys: Path, port: int) -> dict[str, str]:
    drive(add_domain(desk, DOMAIN, primaries=((HOST, port),), primary_tls="none"))
    # Whoever looks on wants to see the end of an outage in seconds.
    drive(set_domain(desk, DOMAIN, [parse_change("probe-busy", "500ms")]))
    keyring = load_keyring(keys)
    logins = {}
    for address in USERS:
        secret = passwords.generate()
        hashed = passwords.hash_generated(secret, keyring)
        drive(users.add_user(desk, Address.parse(address), password=hashed))
        logins[address] = secret.reveal()
    return logins


def free_port(wanted: int) -> int:
    """``wanted``, or one that the system gives when somebody has it."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((HOST, port))
            number: int = one.getsockname()[1]
            return number
    raise BadInput(f"no free port on {HOST}")


def answers(port: int) -> bool:
    """Whether anybody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2):
        return True
    return False


class Running:
    """The two processes of a demonstration."""

    def __init__(self, place: DemoFolder, ports: Ports) -> None:
        self._place = place
        self._ports = ports
        self._primary = subprocess.Popen(
            [sys.executable, "-m", "xtramail.app.demo_primary", str(place.directory)],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        self._server = subprocess.Popen(
            [
                twistd(),
                "-n",
                f"--pidfile={place.folder / 'server.pid'}",
                "xtramail",
                "--config",
                str(place.config),
                # The primary plays the rest of the world as well: an answer to a stranger has somewhere to go.
                f'--set=relay.smarthost="{HOST}:{place.primary_port}"',
            ],
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for us alone: the server goes first and finds its primary until its end.
            process_group=0,
        )

    def wait_until_up(self) -> None:
        """BadInput when one of the two ended at once, or nothing answers in time."""
        deadline = time.monotonic() + START_SECONDS
        while not all(answers(port) for port in self._ports.all) or not self._primary_is_up():
            self.check()
            if time.monotonic() > deadline:
                raise BadInput(f"no answer in {START_SECONDS:.0f} s; see {self._place.folder / 'server.log'}")
            time.sleep(0.05)
        self.check()

    def _primary_is_up(self) -> bool:
        return self._place.down.exists() or answers(self._place.primary_port)

    def check(self) -> None:
        """BadInput when one of them is gone."""
        if self._primary.poll() is not None:
            raise BadInput(f"the demo primary ended; is port {self._place.primary_port} taken?")
        if self._server.poll() is not None:
            raise BadInput(f"the server ended; the reason stands above or in {self._place.folder / 'server.log'}")

    def wait(self) -> None:
        """Until Ctrl-C, SIGTERM, or the end of one of them."""
        while True:
            self.check()
            time.sleep(0.5)

    def stop(self) -> None:
        """The server drains, then the primary goes."""
        for process in (self._server, self._primary):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def running(place: DemoFolder, ports: Ports) -> Iterator[Running]:
    """Both processes, stopped at the end whatever happens."""
    taken = [port for port in ports.all if answers(port)]
    if taken:
        names = ", ".join(map(str, taken))
        raise BadInput(f"port {names} of {HOST} is taken; stop what listens there, or change {place.config}")
    both = Running(place, ports)
    try:
        yield both
    finally:
        both.stop()


def twistd() -> str:
    beside = Path(sys.executable).with_name("twistd")
    found = str(beside) if beside.exists() else shutil.which("twistd")
    if not found:
        raise BadInput("twistd is not installed beside this Python; install xtramail with pip")
    return found


def first_mail(ports: Ports) -> int:
    """Three messages from the world through port 25's stand-in; how many were accepted."""
    with smtplib.SMTP(HOST, ports.smtp, local_hostname="sender.example", timeout=30) as client:
        for message in _three():
            client.send_message(message)
    return 3


def letter(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    """A message of its own Message-ID, ready to be sent."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = _moment()
    message["Message-ID"] = f"<{time.time_ns():x}@{sender.rpartition('@')[2].rstrip('>')}>"
    message.set_content(text)
    return message


def _moment() -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())


def _three() -> list[EmailMessage]:
    order = letter(
        "Carla Rossi <carla@supplier.example>", ANN, "Order 4711 is on its way", "Two boxes, Thursday morning.\n"
    )
    offer = letter(
        "Müller & Söhne <office@mueller.example>", BEN, "Angebot über 300 €", "Anbei unser Angebot, bis Montag.\n"
    )
    offer.add_attachment("Position;Preis\n1;300\n", subtype="csv", filename="angebot.csv")
    news = letter("Town News <news@town.example>", f"{ANN}, {BEN}", "The week in town", "Market on Saturday.\n")
    news.add_alternative("<p>Market on <b>Saturday</b>.</p>", subtype="html")
    return [order, offer, news]
