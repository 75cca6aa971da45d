"""What the server is made of: what must be right before it starts, and what it does about it when it is not."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as installed
from twisted.internet import tcp
from twisted.internet.testing import MemoryReactorClock

from tests.desks import operator
from xtramail.app.authority import issue
from xtramail.app.build import build, limit_settings
from xtramail.app.command.init import create
from xtramail.app.core import keep_days, open_keyring
from xtramail.app.settings import Limits, Listen, Relay, Retention, Server, Settings, Store
from xtramail.directory.domains import add_domain
from xtramail.model.bucket import CLASS_HELD, CLASS_LOG
from xtramail.model.clock import SetClock
from xtramail.model.errors import BadInput
from xtramail.model.pending import drive
from xtramail.store import keys, schema
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import encode_number
from xtramail.store.server_lock import ServerLock

SERVICES = [listener.name for listener in fields(Listen)]
NOWHERE = dict.fromkeys(SERVICES, ())
NOW = 1_780_000_000.0
TWISTD = str(Path(sys.executable).parent / "twistd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation with a domain, as ``init`` makes it."""
    create(tmp_path / "mail", ("mail.example.org",), local=False, now=NOW)
    engine = LmdbEngine(tmp_path / "mail" / "store")
    drive(add_domain(operator(engine, SetClock(NOW)), "example.org"))
    engine.close()
    return tmp_path / "mail"


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start in the foreground, listening nowhere; it must give up by itself."""
    nowhere = [f"--set=listen.{name}=[]" for name in SERVICES]
    return subprocess.run(
        [TWISTD, "-n", "--pidfile=pid", "xtramail", "--config", str(folder / "xtramail.toml"), *nowhere, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def gives_up(folder: Path, *arguments: str) -> str:
    """The one sentence with which a start ends."""
    done = start(folder, *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (folder / "pid").exists()
    last = done.stderr.splitlines()[-1]
    assert last.startswith("xtramail: ")
    return last


def test_lost_password_keys_stop_the_start_and_are_not_made_anew(folder: Path) -> None:
    (folder / "keys" / "passwords.key").unlink()
    assert "passwords.key are missing; restore that file from a backup" in gives_up(folder)
    assert not (folder / "keys" / "passwords.key").exists()


def test_a_store_of_a_newer_format_stops_the_start_and_is_left_alone(folder: Path) -> None:
    engine = LmdbEngine(folder / "store")
    number = encode_number(keys.FORMAT + 1)
    engine.transact(keys.STORE, lambda txn: txn.put(0, keys.FORMAT_NUMBER, number)).result()
    engine.close()
    assert "refusing to start, so that nothing is rewritten" in gives_up(folder)
    engine = LmdbEngine(folder / "store")
    assert engine.read(keys.STORE, schema.format_of) == keys.FORMAT + 1
    engine.close()


def test_a_store_that_another_server_holds_stops_the_start_with_its_process(folder: Path) -> None:
    with ServerLock(folder / "store"):
        assert "is in use by process" in gives_up(folder)


def test_a_file_that_is_no_store_stops_the_start(folder: Path) -> None:
    (folder / "store" / "data.mdb").write_bytes(b"\x00\xff" * 8192)
    assert "damaged or no store" in gives_up(folder)


def test_a_certificate_that_cannot_be_served_stops_the_start_with_the_next_step(folder: Path) -> None:
    (folder / "certs" / "mail.example.org.key").unlink()
    assert "has no certificate to serve; see: xtramail cert check" in gives_up(folder)


def test_a_log_that_cannot_be_written_stops_the_start(folder: Path) -> None:
    assert "log.file: /no/such/x.log: No such file or directory" in gives_up(folder, '--set=log.file="/no/such/x.log"')


def test_check_names_every_mistake_of_every_source_and_touches_nothing(folder: Path) -> None:
    before = sorted(place.name for place in (folder / "store").iterdir())
    done = start(
        folder,
        *("--check", "--set", 'listen.imaps=["tls:993"]', "--hold-days", "0", "--set", "relay.tls=1", "--set", "x.y=1"),
        *("--max-message-size", "huge", "--hostname", "-"),
    )
    assert done.returncode == 1
    for key in ("listen.imaps", "relay.hold-days", "relay.tls", "x.y", "limits.message-size", "server.hostname"):
        assert f": {key}: " in done.stderr, key
    assert "tls: is refused because TLS is the service's own" in done.stderr
    assert "6 mistakes" in done.stderr
    assert sorted(place.name for place in (folder / "store").iterdir()) == before


def test_check_names_every_certificate_that_is_not_fit(folder: Path) -> None:
    issue(folder / "certs", ["late.example"], now=NOW - 10 * 86_400, days=1)
    (folder / "certs" / "junk.crt").write_text("junk")
    done = start(folder, "--check")
    assert done.returncode == 1
    assert "late.example.crt: expired on" in done.stderr and "junk.crt: holds no PEM certificate" in done.stderr


def killed_at(folder: Path, event: str) -> list[str]:
    """Start a server, and kill it as soon as its log tells of ``event``; the log until then."""
    listening = [f"--{name}=tcp:0:interface=127.0.0.1" for name in SERVICES]
    process = subprocess.Popen(
        [TWISTD, "-n", "--pidfile=pid", "xtramail", "--config", "xtramail.toml", *listening],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    try:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if f'"event":"{event}"' in line:
                break
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    return lines


def test_a_start_that_was_killed_does_not_hinder_the_next(folder: Path) -> None:
    assert '"event":"store-opened"' in killed_at(folder, "store-opened")[-1]
    assert (folder / "pid").exists()
    assert '"event":"server-started"' in killed_at(folder, "server-started")[-1]


def test_nothing_is_opened_before_the_service_starts(tmp_path: Path) -> None:
    settings = Settings(
        server=Server(hostname=("mail.example.org",)),
        store=Store(path=tmp_path / "store"),
        listen=replace(Listen(**NOWHERE), smtp=("tcp:2525",), imaps=("tcp:2993",)),
    )
    reactor = MemoryReactorClock()
    server = build(settings, reactor)
    server.privilegedStartService()  # type: ignore[no-untyped-call]
    assert [port for port, *_ in reactor.tcpServers] == [2525, 2993]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("direct", [True, False])
@ensureDeferred
async def test_the_setting_chooses_whose_transports_connections_have(tmp_path: Path, direct: bool) -> None:
    settings = Settings(
        server=Server(hostname=("mail.example.org",), direct_tls=direct),
        store=Store(path=tmp_path / "store"),
        listen=Listen(**dict.fromkeys(SERVICES, ("tcp:0:interface=127.0.0.1",)) | {"metrics": ()}),
    )
    reactor: Any = installed
    before = set(reactor.getReaders())
    server = build(settings, reactor)
    server.privilegedStartService()  # type: ignore[no-untyped-call]
    made: list[Any] = [one for one in reactor.getReaders() if one not in before]
    try:
        assert len(made) == len(SERVICES) - 1
        assert {port.transport is tcp.Server for port in made} == {not direct}
    finally:
        for port in made:
            await port.stopListening()


def test_a_connection_before_the_store_is_open_is_turned_away(tmp_path: Path) -> None:
    settings = Settings(
        server=Server(hostname=("mail.example.org",)),
        store=Store(path=tmp_path / "store"),
        listen=replace(Listen(**NOWHERE), smtp=("tcp:2525",)),
    )
    reactor = MemoryReactorClock()
    build(settings, reactor).privilegedStartService()  # type: ignore[no-untyped-call]
    ((_, factory, *_),) = reactor.tcpServers
    assert factory.buildProtocol(None) is None


def test_the_stores_own_days_follow_the_settings() -> None:
    engine = MemoryEngine()
    schema.open_format(engine)
    settings = Settings(retention=Retention(log_days=5), relay=Relay(hold_days=20))
    keep_days(engine, settings)

    def days() -> tuple[int, int]:
        rows = engine.read(keys.STORE, schema.retention_classes)
        return rows[CLASS_LOG].days, rows[CLASS_HELD].days

    assert days() == (21, 21)
    keep_days(engine, replace(settings, retention=Retention(log_days=40)))
    assert days() == (40, 21)


def test_keys_are_made_for_a_fresh_store_and_for_no_other(tmp_path: Path) -> None:
    place = tmp_path / "keys" / "passwords.key"
    with pytest.raises(BadInput, match="restore that file"):
        open_keyring(place, fresh=False)
    made = open_keyring(place, fresh=True)
    assert open_keyring(place, fresh=False).current == made.current
    assert place.stat().st_mode & 0o777 == 0o600


def test_limits_of_connections_are_cut_to_the_descriptors() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        given = limit_settings(Limits(connections=10_000)).connections
        # The services share them, and some are left for all else.
        assert 100 < given < 1024 // 4
        assert limit_settings(Limits(connections=0)).connections == given
        assert limit_settings(Limits(connections=20)).connections == 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
