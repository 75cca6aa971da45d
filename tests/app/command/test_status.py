"""How the server is, and what should be mended."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.app.command.office import Office
from xtramail.app.authority import issue
from xtramail.app.doors import place_of
from xtramail.store.server_lock import ServerLock

RAY = "ray@relay.example"


@pytest.fixture
def away(office: Office) -> Office:
    """Its primaries do not answer, and no name server has to be asked for them."""
    for name in ("relay.example", "ask.example", "any.example"):
        office.done("domain", "set", name, "primary=127.0.0.1:1")
    return office


def findings(office: Office) -> dict[str, tuple[str, str]]:
    """Level and remedy by what was found."""
    result = office.run("doctor", "--json")
    rows = json.loads(result.stdout)
    assert result.exit_code == (1 if any(row["level"] == "error" for row in rows) else 0)
    return {row["finding"]: (row["level"], row["remedy"]) for row in rows}


def found(office: Office, part: str) -> tuple[str, str]:
    (one,) = [value for text, value in findings(office).items() if part in text]
    return one


@contextmanager
def host(greeting: bytes) -> Iterator[int]:
    """A host that says one line to everybody; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(greeting)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_status_of_a_new_installation(bare: Office) -> None:
    told = bare.json("status")
    assert (told["server"], told["domains"], told["users"], told["waiting"]) == ("stopped", 0, 0, 0)
    assert told["settings"] == str(bare.config) and told["store"] == str(bare.store)
    assert set(told["ledger"].values()) == {0} and told["balanced"] is True
    assert "0 accepted: nothing yet" in bare.done("status")


def test_status_counts_what_waits_for_whom_and_every_fate(office: Office) -> None:
    office.receive(RAY, "ann@local.example")
    office.done("domain", "hold", "relay.example")
    with ServerLock(office.store):
        told = office.json("status")
    assert told["server"] == "running"
    assert (told["domains"], told["users"], told["waiting"]) == (4, 4, 1)
    assert told["destinations"] == [{"name": "relay.example", "waiting": 1, "held": "held by the admin"}]
    ledger = told["ledger"]
    assert (ledger["accepted"], ledger["held"], ledger["delivered"]) == (2, 1, 1)
    text = office.done("status")
    assert "2 accepted: 1 held, 1 delivered" in text and "1 for relay.example (held by the admin)" in text


def test_asking_whether_a_server_runs_never_keeps_one_from_starting(bare: Office) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            bare.json("status")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(200):
            ServerLock(bare.store).release()
    finally:
        stop.set()
        thread.join()


def test_a_healthy_installation_has_no_error(bare: Office) -> None:
    told = findings(bare)
    assert {level for level, _ in told.values()} == {"ok", "info", "warn"}
    assert found(bare, "the server is stopped")[1].startswith("start it: ")
    assert "xtramail domain add" in found(bare, "no domain is served yet")[1]


def test_a_primary_is_asked_for_its_greeting(bare: Office) -> None:
    with host(b"220 mx.example.org ready\r\n") as good, host(b"554 go away\x1b[2J\r\n") as bad:
        bare.done("domain", "add", "good.example", "--primary", f"127.0.0.1:{good}")
        bare.done("domain", "add", "bad.example", "--primary", f"127.0.0.1:{bad}")
        assert found(bare, "good.example: primary")[0] == "ok"
        level, remedy = found(bare, "bad.example: primary")
        assert (level, remedy) == ("error", "its mail is kept until it answers; check that host")
        assert "\x1b" not in bare.run("doctor").output
    assert found(bare, "good.example: primary")[0] == "error"


def test_doors_of_a_running_server_are_tried(bare: Office) -> None:
    with ServerLock(bare.store), host(b"220 mail ready\r\n") as smtp, host(b"* OK but no TLS\r\n") as imaps:
        text = bare.config.read_text().replace("tcp:2525", f"tcp:{smtp}").replace("tcp:2993", f"tcp:{imaps}")
        bare.config.write_text(text.replace("tcp:2587", "unix:submission.sock").replace("tcp:2465", "tcp:1"))
        assert found(bare, f"smtp on 127.0.0.1 port {smtp}")[0] == "ok"
        assert found(bare, f"imaps on 127.0.0.1 port {imaps}")[0] == "error"
        assert found(bare, "submissions on 127.0.0.1 port 1")[0] == "error"
        assert found(bare, "submission listens on unix:submission.sock")[0] == "info"


def test_certificates_that_end_soon_are_a_warning_and_late_ones_an_error(bare: Office) -> None:
    certificates = bare.folder / "certs"
    issue(certificates, ["mail.example.org"], now=time.time(), days=5)
    assert found(bare, ", 5 days from now, for mail.example.org")[0] == "warn"
    level, remedy = found(bare, "certificate mail.example.org: ends within 14 days")
    assert (level, remedy) == ("warn", "install one: xtramail cert install CRT KEY")
    issue(certificates, ["mail.example.org"], now=time.time() - 10 * 86_400, days=5)
    assert found(bare, "expired on")[0] == "error"
    for place in certificates.glob("*.crt"):
        place.unlink()
    assert found(bare, "there is no certificate in")[0] == "error"


def test_mail_that_waits_long_and_mail_that_is_held_are_told(away: Office) -> None:
    away.receive(RAY, at=time.time() - 7_200)
    assert found(away, "1 message waiting for over an hour") == ("warn", "see: xtramail queue list")
    away.done("domain", "hold", "relay.example")
    assert found(away, "relay.example is held")[1] == "let its mail go: xtramail domain release relay.example"


def test_missing_keys_are_an_error_and_the_other_checks_go_on(bare: Office) -> None:
    (bare.folder / "keys" / "passwords.key").unlink()
    told = findings(bare)
    assert any("are missing: restore that file" in text for text in told)
    assert any("the ledger balances" in text for text in told)


def test_a_clock_that_is_behind_its_mail_is_an_error(away: Office) -> None:
    away.receive("ann@local.example", at=time.time() + 3 * 86_400)
    assert found(away, "there is mail of a later day") == ("error", "set it, by NTP")


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("tcp:25", ("127.0.0.1", 25)),
        ("tcp6:25", ("::1", 25)),
        ("tcp:port=25:interface=192.0.2.1", ("192.0.2.1", 25)),
        ("tcp:25:interface=0.0.0.0", ("127.0.0.1", 25)),
        ("tcp6:993:interface=\\:\\:1:backlog=5", ("::1", 993)),
        ("tcp6:993:interface=\\:\\:", ("::1", 993)),
        ("tcp:0", None),
        ("unix:/run/smtp", None),
        ("systemd:domain=INET:name=imaps", None),
    ],
)
def test_an_endpoint_tells_where_it_answers(endpoint: str, place: tuple[str, int] | None) -> None:
    assert place_of(endpoint) == place
