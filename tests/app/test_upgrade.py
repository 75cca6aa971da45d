"""A store is brought to a newer format behind a backup; ``tests/crash/test_upgrade_deaths.py`` kills it meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.installation import install, paths_in
from tests.store.filled import DAYS, deliver
from tests.store.pretended_formats import STEPS, TO, add_many, changed, opened, rows_of
from xtramail.app.backup import STORE, read_manifest
from xtramail.app.paths import Paths
from xtramail.app.restore import restore
from xtramail.app.upgrade import Choice, Formats, Upgraded, upgrade_store
from xtramail.model.errors import BadInput, FormatMismatch, StoreBusy, StoreFull
from xtramail.store import keys, schema
from xtramail.store.lmdb_engine import MAP_SIZE, LmdbEngine
from xtramail.store.server_lock import ServerLock

NOW = 1_767_300_000.0
NEXT = Formats(to=TO, steps=STEPS)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = install(tmp_path / "home")
    engine = LmdbEngine(found.store)
    add_many(engine)
    engine.close()
    return found


def run(paths: Paths, formats: Formats = NEXT, *, map_size: int = MAP_SIZE, **choice: Any) -> Upgraded | None:
    return upgrade_store(
        paths,
        Choice(**choice),
        formats=formats,
        map_size=map_size,
        now=NOW,
        say=lambda text: None,
        progress=lambda done: None,
    )


def rows(folder: Path) -> dict[bytes, bytes]:
    engine = LmdbEngine(folder)
    found = rows_of(engine)
    engine.close()
    return found


def test_nothing_is_changed_without_a_word_about_a_backup(paths: Paths) -> None:
    before = rows(paths.store)
    with pytest.raises(BadInput, match="--backup DIR, or say --no-backup"):
        run(paths)
    assert rows(paths.store) == before


def test_without_a_backup_where_nobody_wants_one(paths: Paths) -> None:
    expected = changed(rows(paths.store))
    done = run(paths, no_backup=True)
    assert done is not None and done.backup is None
    assert opened(rows(paths.store)) == expected


def test_a_dry_run_asks_for_no_backup_and_changes_nothing(paths: Paths) -> None:
    before = rows(paths.store)
    done = run(paths, dry=True)
    assert done is not None and done.dry and [step.changed for step in done.steps] == [4_500, 5_000]
    assert rows(paths.store) == before


def test_a_store_of_this_format_needs_neither_steps_nor_a_backup(paths: Paths) -> None:
    assert run(paths, Formats()) is None
    assert run(paths, no_backup=True) is not None
    assert run(paths) is None


def test_a_backup_that_is_no_longer_the_store_is_not_taken_for_one(paths: Paths, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    run(paths, Formats(to=keys.FORMAT + 1, steps=STEPS), backup=backup)
    with pytest.raises(BadInput, match="differs from the store: name a new folder"):
        run(paths, backup=backup)
    run(paths, backup=tmp_path / "another")
    assert read_manifest(tmp_path / "another").format == keys.FORMAT + 1


def test_a_store_that_is_served_is_left_alone(paths: Paths) -> None:
    with ServerLock(paths.store), pytest.raises(StoreBusy):
        run(paths, no_backup=True)


def test_the_backup_takes_it_back_with_the_version_that_wrote_the_store(paths: Paths, tmp_path: Path) -> None:
    run(paths, backup=tmp_path / "backup")
    old = paths_in(tmp_path / "old")
    restore(tmp_path / "backup", old, now=NOW)
    engine = LmdbEngine(old.store)
    schema.open_format(engine)
    deliver(engine, 7, DAYS[0])
    engine.close()
    with pytest.raises(FormatMismatch, match="run the newer xtramail"):
        engine = LmdbEngine(paths.store)
        try:
            schema.open_format(engine)
        finally:
            engine.close()


def test_a_backup_of_an_older_format_is_brought_to_this_one_when_it_is_restored(paths: Paths, tmp_path: Path) -> None:
    engine = LmdbEngine(paths.store)
    (tmp_path / "copy").mkdir()
    engine.copy_to(tmp_path / "copy")
    engine.close()
    run(paths, backup=tmp_path / "backup")
    told: list[str] = []
    # Half of it: what restores here knows no format but its own, which is the one before the last.
    with pytest.raises(FormatMismatch):
        restore(tmp_path / "backup", paths_in(tmp_path / "new"), now=NOW, formats=NEXT, progress=told.append)
    assert f"from format {keys.FORMAT} to {keys.FORMAT + 1}: values get longer" in told
    assert rows(tmp_path / "backup" / STORE) == rows(tmp_path / "copy")
    assert not (tmp_path / "new" / "store" / "data.mdb").exists()


def test_a_full_store_is_upgraded_to_its_end_once_there_is_room(paths: Paths) -> None:
    expected = changed(rows(paths.store))
    size = (paths.store / "data.mdb").stat().st_size
    with pytest.raises(StoreFull, match="run it again: it goes on where it was"):
        run(paths, no_backup=True, map_size=size + (1 << 16))
    done = run(paths)
    assert done is not None and done.went_on
    assert opened(rows(paths.store)) == expected
