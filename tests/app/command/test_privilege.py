"""Run as root, the command line leaves nothing of root's in a store; run by a stranger, it says who may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.command.office import Office
from xtramail.app.authority import issue
from xtramail.app.command.privilege import become_owner, belonging_to_root, folder_for_owner, give, user_name
from xtramail.store.server_lock import ServerLock

pytestmark = pytest.mark.usefixtures("passage")

ROOT = os.geteuid() == 0
SERVICE = 65_534 if ROOT else os.geteuid()
STRANGER = 65_533
"""Whom the store belongs to in these tests, and who has no part in it; without root's rights both are us."""


def owners(folder: Path) -> set[int]:
    return {place.stat().st_uid for place in (folder, *folder.rglob("*"))}


@pytest.fixture
def service(office: Office, tmp_path: Path) -> Iterator[Office]:
    """An installation that belongs to the service's user; others can reach its folder."""
    opened = []
    for folder in (tmp_path, *tmp_path.parents):
        status = folder.stat()
        if not status.st_mode & 0o001 and status.st_uid == os.geteuid():
            opened.append((folder, status.st_mode))
            folder.chmod(status.st_mode | 0o011)
    if ROOT:
        for place in (office.folder, *office.folder.rglob("*")):
            os.chown(place, SERVICE, SERVICE)
    yield office
    for folder, mode in opened:
        folder.chmod(mode)


def command(office: Office, *words: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """The real program in a process of its own, as root or as ``user``."""
    return subprocess.run(
        [sys.executable, "-m", "tests.app.command.program", "--config", str(office.config), *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        user=user if ROOT else None,
        extra_groups=[] if ROOT and user is not None else None,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


@pytest.mark.parametrize(
    "words",
    [
        ("user", "add", "new@local.example", "--generate"),
        ("domain", "hold", "relay.example"),
        ("status",),
        ("expire", "--confirm"),
        ("verify",),
        ("cert", "csr", "mail.example.org"),
        ("store", "upgrade"),
        ("cert", "list"),
    ],
)
def test_every_file_stays_its_owners(service: Office, words: tuple[str, ...]) -> None:
    # Made anew by whoever opens the store first.
    (service.store / "lock.mdb").unlink()
    done = command(service, *words)
    assert done.returncode == 0, done.stderr
    assert owners(service.folder) == {SERVICE}


def test_a_certificate_for_roots_eyes_is_installed_for_the_service(service: Office, tmp_path: Path) -> None:
    certificate, key = issue(tmp_path / "roots", ["mail.example.org"], now=1_780_000_000.0)
    done = command(service, "cert", "install", str(certificate), str(key))
    assert done.returncode == 0, done.stderr
    assert owners(service.folder) == {SERVICE}


def test_a_backup_goes_into_a_new_folder_that_belongs_to_the_owner(service: Office, tmp_path: Path) -> None:
    done = command(service, "backup", str(tmp_path / "new" / "backup"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] > 4
    assert owners(tmp_path / "new" / "backup") == {SERVICE}
    (tmp_path / "roots").mkdir(mode=0o700)
    again = command(service, "backup", str(tmp_path / "roots"))
    if ROOT:
        assert again.returncode == 1
        assert "name a folder that does not exist yet, or run: chown" in again.stderr
    else:
        assert again.returncode == 0


def test_secrets_for_root_lie_where_the_owner_of_the_store_could_not_write(service: Office, tmp_path: Path) -> None:
    own = tmp_path / "roots"
    own.mkdir(mode=0o700)
    (own / "users.csv").write_text("address\nzoe@local.example\n")
    (own / "users.csv").chmod(0o600)
    for words in (
        ("import", str(own / "users.csv"), "--kind", "users", "--generate", "--passwords", str(own / "new.csv")),
        ("user", "passwd", "--users", str(own / "users.csv"), "--generate", "--csv", str(own / "again.csv")),
        ("export", "--with-secrets", "--output", str(own / "state.json")),
    ):
        done = command(service, *words)
        assert done.returncode == 0, done.stderr
    assert owners(own) == {os.geteuid()}
    assert "zoe@local.example" in (own / "new.csv").read_text() and (own / "new.csv").stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        refused = command(service, "export", "--domain", "nowhere.example", "--output", str(own / "other.json"))
        assert "domain nowhere.example is not served here" in refused.stderr


def test_a_restore_as_root_leaves_the_store_to_its_owner(service: Office, tmp_path: Path) -> None:
    assert command(service, "backup", str(tmp_path / "backup")).returncode == 0
    for place in service.store.iterdir():
        place.unlink()
    done = command(service, "restore", str(tmp_path / "backup"))
    assert done.returncode == 0, done.stderr
    assert owners(service.store) == {SERVICE}
    assert command(service, "status").returncode == 0
    refused = command(service, "restore", str(tmp_path / "backup"))
    assert refused.returncode == 1 and "will not be overwritten" in refused.stderr
    assert owners(service.store) == {SERVICE}


def test_a_stranger_is_told_whose_store_it_is(service: Office) -> None:
    for place in (service.folder, service.store):
        place.chmod(0o755)
    service.config.chmod(0o644)
    done = command(service, "status", user=STRANGER)
    if ROOT:
        assert done.returncode == 1
        assert f"belongs to {user_name(SERVICE)}: run this as that user, or as root" in done.stderr
    else:
        assert done.returncode == 0


def test_a_stranger_who_cannot_even_look_is_told_so_in_one_sentence(service: Office) -> None:
    done = command(service, "status", "--json", user=STRANGER)
    if ROOT:
        assert done.returncode == 1 and done.stderr == ""
        assert "ermission denied" in json.loads(done.stdout)["error"]
    else:
        assert done.returncode == 0


def test_a_lock_that_root_takes_first_can_be_taken_by_the_service(service: Office) -> None:
    (service.store / "server.lock").unlink()
    ServerLock(service.store).release()
    assert owners(service.store) == {SERVICE}


def test_our_own_folder_changes_nothing(tmp_path: Path) -> None:
    before = os.getresuid(), os.getgroups()
    become_owner(tmp_path)
    folder_for_owner(tmp_path / "made", tmp_path)
    give(tmp_path, tmp_path)
    assert (os.getresuid(), os.getgroups()) == before
    assert belonging_to_root([tmp_path, tmp_path / "gone"]) == ([tmp_path] if ROOT else [])
