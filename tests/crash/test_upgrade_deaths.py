"""Killed at any moment of an upgrade, the same command run again ends as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.installation import install
from tests.crash import upgraded
from tests.source_tree import ROOT
from tests.store.pretended_formats import TO, add_many, changed, opened, rows_of
from xtramail.app.backup import STORE, check_files, read_manifest
from xtramail.model.errors import FormatMismatch
from xtramail.store import keys, schema
from xtramail.store.lmdb_engine import LmdbEngine

DEATHS = (
    "backup.store-written",
    "backup.manifest-written",
    "upgrade.before-steps",
    "upgrade.begun",
    "upgrade.begun:2",
    "upgrade.before-commit",
    "upgrade.before-commit:2",
    "upgrade.before-commit:5",
    "upgrade.after-batch",
    "upgrade.after-batch:3",
    "upgrade.after-batch:6",
    "upgrade.before-end",
    "upgrade.before-end:2",
    "upgrade.after-end",
    "upgrade.after-end:2",
)


def upgrade(home: Path, backup: Path, death: str = "") -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XTRAMAIL_CRASH_AT": death}
    command = [sys.executable, upgraded.__file__, str(home), str(backup)]
    return subprocess.run(command, env=environment, timeout=240, check=False).returncode


@pytest.mark.parametrize("death", DEATHS)
def test_a_killed_upgrade_goes_on_when_it_is_run_again(tmp_path: Path, death: str) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup"
    paths = install(home)
    engine = LmdbEngine(paths.store)
    add_many(engine)
    before = rows_of(engine)
    engine.close()

    assert upgrade(home, backup, death) == -signal.SIGKILL
    engine = LmdbEngine(paths.store)
    if rows_of(engine) != before and death != "upgrade.after-end:2":
        with pytest.raises(FormatMismatch):
            schema.open_format(engine)
    engine.close()

    assert upgrade(home, backup) == 0
    engine = LmdbEngine(paths.store)
    assert opened(rows_of(engine)) == changed(before)
    assert engine.read(keys.STORE, schema.format_of) == TO
    engine.close()
    # What takes it back is whole, and has the store as it was.
    manifest = read_manifest(backup)
    assert manifest.format == keys.FORMAT
    check_files(backup, manifest)
    copy = LmdbEngine(backup / STORE)
    assert rows_of(copy) == before
    copy.close()


def test_two_deaths_behind_one_another_change_nothing(tmp_path: Path) -> None:
    paths = install(tmp_path / "home")
    engine = LmdbEngine(paths.store)
    add_many(engine)
    before = rows_of(engine)
    engine.close()
    for death in ("backup.store-written", "upgrade.before-steps", *["upgrade.after-batch"] * 4, "upgrade.before-end"):
        assert upgrade(tmp_path / "home", tmp_path / "backup", death) == -signal.SIGKILL
    assert upgrade(tmp_path / "home", tmp_path / "backup") == 0
    engine = LmdbEngine(paths.store)
    assert opened(rows_of(engine)) == changed(before)
    engine.close()
