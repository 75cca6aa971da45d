"""A backup from the command line, and an installation that comes back on a machine that has nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.app.command.office import Office
from xtramail.app.command.main import main
from xtramail.directory import passwords
from xtramail.directory.keyring import load_keyring
from xtramail.model.secret import Secret
from xtramail.store.server_lock import ServerLock

ANN = "ann@local.example"
RAY = "ray@relay.example"


@pytest.fixture
def folder(office: Office, tmp_path: Path) -> Path:
    """A backup with mail in two mailboxes, one message waiting, and a login."""
    office.receive(ANN, RAY)
    office.done("user", "passwd", ANN, "--password-stdin", input="correct horse\n")
    office.done("backup", str(tmp_path / "backup"))
    return tmp_path / "backup"


def restored(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_a_backup_tells_what_it_holds_and_the_way_back(office: Office, tmp_path: Path) -> None:
    result = office.run("backup", "one")
    assert result.exit_code == 0
    assert f"Back with: xtramail restore {tmp_path / 'one'}" in result.stdout
    assert "copying the store" in result.stderr
    told = office.run("backup", "two", "--json")
    assert told.stderr == ""
    value = json.loads(told.stdout)
    assert value["directory"] == str(tmp_path / "two") and value["files"] > 4 and value["size"] > 1000
    assert (tmp_path / "two").stat().st_mode & 0o777 == 0o700


def test_a_backup_works_while_a_server_holds_the_store(office: Office, tmp_path: Path) -> None:
    with ServerLock(office.store):
        office.done("backup", "one")
    assert (tmp_path / "one" / "manifest.json").exists()


def test_a_folder_that_is_not_empty_is_refused(office: Office, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo").write_text("dear")
    assert "is not empty: a backup gets a folder of its own" in office.refused("backup", "full")
    assert office.run("backup", "full/photo").exit_code == 2
    assert [place.name for place in (tmp_path / "full").iterdir()] == ["photo"]


def test_a_bare_machine_gets_settings_logins_mail_and_a_held_queue(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "new" / "xtramail.toml"
    result = restored("--config", str(place), "restore", str(folder))
    assert result.exit_code == 0, result.output
    assert f"Next: twistd -n xtramail --config {place}" in result.stdout
    assert "1 message held in its queue: look with: xtramail queue list" in result.stdout
    there = Office(tmp_path / "new")
    keyring = load_keyring(there.folder / "keys" / "passwords.key")
    assert passwords.verify(Secret("correct horse"), there.account(ANN).password, keyring)
    (entry,) = there.json("queue", "list")
    assert entry["state"] == "held" and entry["reason"].startswith("restored from the backup of ")
    assert [one["fate"] for one in entry["recipients"]] == ["unconfirmed"]
    assert there.json("verify")["findings"] == []
    assert there.json("status")["balanced"] is True
    assert there.json("cert", "check")["faults"] == []
    assert there.json("queue", "retry", "--all")["retried"] == 1


def test_where_nothing_is_named_the_settings_go_to_their_usual_place(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["restore", str(folder)], env={"XTRAMAIL_CONFIG": str(tmp_path / "etc/x.toml")})
    assert result.exit_code == 0, result.output
    assert (tmp_path / "etc" / "x.toml").exists() and (tmp_path / "etc" / "store" / "data.mdb").exists()


def test_a_store_alone_can_be_named(folder: Path, tmp_path: Path) -> None:
    result = restored("--store", str(tmp_path / "alone"), "--json", "restore", str(folder))
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["store"] == str(tmp_path / "alone") and told["settings"] is None
    assert told["renewed"]["entries"] == 1
    listed = restored("--store", str(tmp_path / "alone"), "--json", "user", "passwd", ANN, "--generate")
    assert listed.exit_code == 0, listed.output


def test_an_installation_with_somebody_in_it_is_not_overwritten(office: Office, folder: Path) -> None:
    reason = office.refused("restore", str(folder))
    assert "has accounts or mail in it and will not be overwritten" in reason and "move" in reason


def test_a_new_installation_is_filled_and_its_own_files_are_named(bare: Office, tmp_path: Path) -> None:
    bare.world(lambda world: None)
    bare.done("backup", "backup")
    fresh = tmp_path / "fresh"
    assert restored("init", str(fresh), "--hostname", "new.example.org").exit_code == 0
    result = restored("--config", str(fresh / "xtramail.toml"), "restore", "backup")
    assert result.exit_code == 0, result.output
    assert f"kept as: {fresh / 'keys' / 'passwords.key.before-restore'}" in result.stdout
    assert Office(fresh).json("status")["users"] == 4


def test_a_server_that_holds_the_store_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    with ServerLock(tmp_path / "held"):
        result = restored("--store", str(tmp_path / "held"), "restore", str(folder))
    assert result.exit_code == 1
    assert "is in use by process" in result.stderr and "stop that server first" in result.stderr


def test_a_restore_that_is_refused_leaves_no_settings_behind_and_works_afterwards(folder: Path, tmp_path: Path) -> None:
    key = folder / "keys" / "passwords.key"
    content = key.read_bytes()
    key.write_bytes(b"forged")
    place = tmp_path / "new" / "xtramail.toml"
    result = restored("--config", str(place), "restore", str(folder))
    assert result.exit_code == 1 and "passwords.key has changed" in result.stderr
    assert not place.exists()
    key.write_bytes(content)
    assert restored("--config", str(place), "restore", str(folder)).exit_code == 0


def test_what_is_no_backup_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = restored("--store", "new", "--json", "restore", "empty")
    assert result.exit_code == 1
    assert "is no finished backup" in json.loads(result.stdout)["error"]
