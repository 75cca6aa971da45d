"""A disk or a map that fills: nothing is acknowledged that is not kept, all other work goes on, and it recovers."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import os
import random
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.journeys.test_expiry import moved_by

DISK = 24 << 20
MAP = 20 << 20
PLACES = ["map", "disk"] if os.geteuid() == 0 else ["map"]
"""Only root can mount a small disk."""
SIZE = 150_000
MANY = DISK // SIZE * 2
"""More messages than either has room for."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def primary() -> Iterator[ScriptedPrimary]:
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def server(tmp_path: Path, place: str, primary: ScriptedPrimary) -> Iterator[Installation]:
    settings = ('limits.message-size="1MiB"', *((f"store.map-size={MAP}",) if place == "map" else ()))
    one = Installation(tmp_path / "server", settings=settings).init()
    one.environment = {"XTRAMAIL_STORE_MAP_SIZE": str(MAP)} if place == "map" else {}
    one.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    for user in (ANN, BEN):
        one.add_user(user)
    with on_small_disk(one.folder / "store") if place == "disk" else contextlib.nullcontext():
        one.start()
        yield one
        one.close()


@contextlib.contextmanager
def on_small_disk(folder: Path) -> Iterator[None]:
    """What is in ``folder`` lies on a disk of its own."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(folder)], check=True)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def large(number: int) -> bytes:
    """Text that does not compress."""
    noise = base64.encodebytes(random.Random(number).randbytes(SIZE)).replace(b"\n", b"\r\n")
    return mail(f"large-{number}") + noise


def until_refused(server: Installation, first: int) -> tuple[int, bytes]:
    """Send until it is refused: how many were answered with 250, and with what the next one was."""
    with server.smtp() as client:
        for count in range(MANY):
            try:
                client.sendmail("bob@sender.example", [ANN], large(first + count))
            except smtplib.SMTPResponseException as refused:
                assert (refused.smtp_code, refused.smtp_error[:5]) == (452, b"4.3.1"), refused
                return count, refused.smtp_error
    raise AssertionError("it was never full")


def filed(client: imaplib.IMAP4, number: int) -> tuple[str, bytes]:
    status, answer = client.append("Archive", None, None, large(number))  # type: ignore[arg-type]
    return status, answer[0]


def takes_mail(server: Installation, number: int) -> bool:
    with contextlib.suppress(smtplib.SMTPException):
        server.send(large(number), ANN)
        return True
    return False


def test_a_store_that_is_full_works_on_and_recovers_by_expiry(
    server: Installation, primary: ScriptedPrimary, place: str
) -> None:
    count, _ = until_refused(server, 0)
    assert count > 20
    # Handing on goes on.
    server.waits_for_nothing()
    assert len(primary.messages) == count
    with server.imap(ANN) as client:
        assert len(fetched(client)) == count, "each that was answered with 250, and no other"
        client.create("Archive")
        status, text = filed(client, 1_000)
        assert (status, text[:7]) == ("NO", b"[LIMIT]"), text
        client.select("INBOX")
        status, answer = client.copy("1", "Archive")
        assert (status, answer[0][:7]) == ("NO", b"[LIMIT]"), answer
        for words in (("1:*", "+FLAGS", r"(\Seen)"), ("1:5", "+FLAGS", r"(\Deleted)")):
            assert client.store(*words)[0] == "OK"
        assert client.expunge()[0] == "OK"
        assert client.select("INBOX")[1] == [str(count - 5).encode()]
    assert server.command("verify", environment=server.environment)["findings"] == []
    assert server.stop() == 0

    # A month later, by a clock that somebody believes.
    small, later = server.environment, moved_by(31)
    server.command("expire", "--confirm", environment={**small, **later})
    server.command("expire", "--confirm", environment={**small, **later})
    server.environment = {**small, **later}
    server.start()
    assert takes_mail(server, 2_000), "the room that expiry made is used"
    with server.imap(ANN) as client:
        assert len(fetched(client)) == 1
        assert filed(client, 2_001)[0] == "OK"
    again, _ = until_refused(server, 3_000)
    assert again > count // 2, "most of it came back"
    with server.imap(ANN) as client:
        assert len(fetched(client)) == again + 1
    server.balance()
    assert server.command("verify", environment=server.environment)["findings"] == []


@pytest.mark.parametrize("place", [one for one in PLACES if one == "disk"], indirect=True)
def test_a_disk_that_somebody_else_fills_is_waited_for(server: Installation, primary: ScriptedPrimary) -> None:
    """To its last octet, so that not even the reserve is left."""
    stranger = server.folder / "store" / "stranger"
    server.expected_alarms = frozenset({"store", "store-nearly-full", "self-check", "primary-state", "expiry"})
    server.send(large(1), ANN)
    # And that is written down, for which there would be no room.
    server.waits_for_nothing()
    with server.imap(ANN) as reader, server.smtp() as slow:
        assert len(fetched(reader)) == 1
        slow.ehlo()
        slow.mail("bob@sender.example")
        slow.rcpt(ANN)
        fill(stranger)
        # Its MAIL was taken while there was room; the dot must not be.
        code, text = slow.data(large(2))
        assert (code, text[:5]) == (452, b"4.3.1"), (code, text)
        assert not takes_mail(server, 3)
        assert len(fetched(reader)) == 1, "reading goes on"
        status, said = filed(reader, 4)
        assert status == "NO", said
        stranger.unlink()
        assert eventually(lambda: takes_mail(server, 5), what="there is room again")
        reader.select("INBOX")
        assert reader.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK"
    eventually(lambda: len(primary.messages) == 2, what="handed on")
    with server.imap(BEN) as client:
        assert filed(client, 6)[0] in ("OK", "NO")
    with server.imap(ANN) as client:
        assert len(fetched(client)) == 2
    assert server.command("verify")["findings"] == []


def fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as one:
        for size in (1 << 16, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    one.write(bytes(size))
