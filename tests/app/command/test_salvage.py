"""A store whose tree is broken: what can be read becomes a backup, and the backup an installation."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from tests.app.command.office import Office
from xtramail.app.command.main import main
from xtramail.store.page_file import PAGE_SIZE, PageFile
from xtramail.store.server_lock import ServerLock

ANN = "ann@local.example"


def break_root(office: Office) -> None:
    file = office.store / "data.mdb"
    pages = PageFile(file)
    root = pages.metas()[0].main.root
    pages.close()
    assert root is not None
    with file.open("r+b") as octets:
        octets.seek(root * PAGE_SIZE)
        octets.write(bytes(PAGE_SIZE))


def test_a_broken_tree_is_salvaged_and_restored(office: Office, tmp_path: Path) -> None:
    for _ in range(3):
        office.receive(ANN)
    before = office.json("user", "show", ANN)
    break_root(office)
    assert office.run("verify").exit_code == 1

    told = office.json("store", "salvage", str(tmp_path / "saved"))
    assert told["rows"] == told["rows-found-alone"] > 50
    assert (told["rows-damaged"], told["in-doubt"], told["findings"], told["messages"]) == (0, False, [], 3)
    assert len(told["gaps"]) == 1

    office.store.rename(tmp_path / "damaged")
    result = CliRunner().invoke(main, ["--config", str(office.config), "restore", str(tmp_path / "saved"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(office.run("verify", "--json").stdout)["findings"] == []
    after = office.json("user", "show", ANN)
    assert after["used"] == before["used"] > 0


def test_people_are_told_what_was_saved_and_what_to_do_next(office: Office, tmp_path: Path) -> None:
    office.receive(ANN)
    break_root(office)
    told = office.done("store", "salvage", str(tmp_path / "saved"))
    assert " rows and 1 message saved.\n1 gap in the tree; behind them: " in told
    assert f"Next: move the damaged store aside, then: xtramail restore {tmp_path / 'saved'}\n" in told


def test_a_store_without_a_readable_row_is_said_and_leaves_nothing(office: Office, tmp_path: Path) -> None:
    (office.store / "data.mdb").write_bytes(bytes(20 * PAGE_SIZE))
    refused = office.run("store", "salvage", str(tmp_path / "saved"))
    assert refused.exit_code == 1 and refused.stdout == ""
    assert refused.stderr.endswith("can be read; restore a backup: xtramail restore DIR\n")
    assert list((tmp_path / "saved").iterdir()) == []


def test_a_store_that_is_being_served_is_left_alone(office: Office, tmp_path: Path) -> None:
    with ServerLock(office.store):
        assert "stop that server first" in office.refused("store", "salvage", str(tmp_path / "saved"))
