"""A backup has everything a bare machine needs, for its owner's eyes only, and says whether it is whole."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.installation import install
from tests.store.filled import DAYS, USER, deliver
from xtramail.app.backup import backup, check_files, read_manifest
from xtramail.app.paths import Paths
from xtramail.model.errors import BadInput
from xtramail.store import keys, messages
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.verify import verify

NOW = 1_767_300_000.0


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return install(tmp_path / "home")


@pytest.fixture
def engine(paths: Paths) -> Iterator[LmdbEngine]:
    opened = LmdbEngine(paths.store)
    yield opened
    opened.close()


def test_a_backup_holds_store_settings_keys_and_certificates(paths: Paths, engine: LmdbEngine, tmp_path: Path) -> None:
    told: list[str] = []
    made = backup(engine, paths, tmp_path / "backup", now=NOW, progress=told.append)
    manifest = read_manifest(tmp_path / "backup")
    assert set(manifest.files) == {
        "store/data.mdb",
        "xtramail.toml",
        "keys/passwords.key",
        "certificates/example.org.crt",
        "certificates/example.org.key",
        "certificates/live/mail.example.org/fullchain.pem",
    }
    assert (manifest.format, manifest.made) == (keys.FORMAT, "2026-01-01T20:40:00+00:00")
    assert made.files == 6 and made.octets == sum(entry.size for entry in manifest.files.values())
    assert (tmp_path / "backup/certificates/live/mail.example.org/fullchain.pem").read_text() == "chain"
    assert told[0].startswith("copying the store")
    check_files(tmp_path / "backup", manifest)


def test_only_the_owner_can_read_a_backup(paths: Paths, engine: LmdbEngine, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir(mode=0o755)
    backup(engine, paths, tmp_path / "backup", now=NOW)
    for place in (tmp_path / "backup", *(tmp_path / "backup").rglob("*")):
        assert place.stat().st_mode & 0o077 == 0, place


def test_a_backup_is_the_store_at_one_moment_while_mail_goes_on(
    paths: Paths, engine: LmdbEngine, tmp_path: Path
) -> None:
    begun, over = threading.Event(), threading.Event()
    delivered = 6

    def goes_on() -> None:
        nonlocal delivered
        while not over.is_set():
            deliver(engine, delivered + 1, DAYS[0])
            delivered += 1
            begun.set()

    mail = threading.Thread(target=goes_on)
    mail.start()
    try:
        assert begun.wait(60)
        before = delivered
        backup(engine, paths, tmp_path / "backup", now=NOW)
    finally:
        over.set()
        mail.join()
    copy, number = LmdbEngine(tmp_path / "backup" / "store"), delivered + 1
    deliver(engine, number, DAYS[0])
    kept, all_of_it = [
        one.read(USER, lambda snap: messages.uids(snap, messages.require(snap, 1))) for one in (copy, engine)
    ]
    copy.close()
    assert len(all_of_it) == number and before <= len(kept) < number
    assert kept == all_of_it[: len(kept)]
    assert verify(tmp_path / "backup" / "store").findings == [], "no half of a message"


def test_what_is_not_there_is_left_out(paths: Paths, engine: LmdbEngine, tmp_path: Path) -> None:
    bare = Paths(store=paths.store, certificates=tmp_path / "none", keys=tmp_path / "none.key", config=None)
    backup(engine, bare, tmp_path / "backup", now=NOW)
    assert set(read_manifest(tmp_path / "backup").files) == {"store/data.mdb"}


def test_a_folder_with_something_in_it_is_refused_and_left_alone(
    paths: Paths, engine: LmdbEngine, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo").write_text("dear")
    with pytest.raises(BadInput, match="not empty"):
        backup(engine, paths, tmp_path / "full", now=NOW)
    assert [place.name for place in (tmp_path / "full").iterdir()] == ["photo"]


def test_a_backup_into_the_store_itself_is_refused(paths: Paths, engine: LmdbEngine) -> None:
    with pytest.raises(BadInput, match="inside the store"):
        backup(engine, paths, paths.store / "backup", now=NOW)


def test_a_backup_that_fails_leaves_nothing_behind(paths: Paths, engine: LmdbEngine, tmp_path: Path) -> None:
    def fail(text: str) -> None:
        if "passwords.key" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(engine, paths, tmp_path / "backup", now=NOW, progress=fail)
    assert not (tmp_path / "backup").exists()


def test_changed_and_missing_files_are_all_named(paths: Paths, engine: LmdbEngine, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    backup(engine, paths, folder, now=NOW)
    (folder / "xtramail.toml").write_text("other")
    (folder / "keys/passwords.key").unlink()
    with pytest.raises(BadInput, match=r"keys/passwords.key: No such file.*xtramail.toml has changed"):
        check_files(folder, read_manifest(folder))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "damaged"),
        ('{"version": "1", "format": 1, "made": "", "files": {}}', "names no store"),
        (
            json.dumps({"version": "1", "format": 1, "made": "", "files": {"../x": {"sha256": "", "size": 1}}}),
            "outside of the backup",
        ),
        (
            json.dumps({"version": "1", "format": 1, "made": "", "files": {"/etc/x": {"sha256": "", "size": 1}}}),
            "outside of the backup",
        ),
    ],
)
def test_a_manifest_that_is_none_of_ours_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match=reason):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no finished backup"):
        read_manifest(tmp_path)
