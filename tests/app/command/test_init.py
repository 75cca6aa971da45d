"""A new installation."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.app.command.office import Office
from xtramail.app.command.init import create, settings_text
from xtramail.app.command.main import main
from xtramail.app.config import load
from xtramail.model.errors import StoreBusy
from xtramail.net.certificates import check_pair
from xtramail.store.server_lock import ServerLock

NOW = 1_800_000_000.0


def init(*words: str) -> Result:
    return CliRunner().invoke(main, ["init", *words])


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(place.relative_to(folder)): place.read_bytes()
        for place in sorted(folder.rglob("*"))
        if place.is_file() and place.name != "lock.mdb"
    }


def test_an_installation_has_settings_certificate_keys_and_an_empty_store(tmp_path: Path) -> None:
    result = init("mail", "--hostname", "Mail.Example.org", "--hostname", "imap.example.org", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["hostnames"] == ["mail.example.org", "imap.example.org"]
    settings = load(config=told["config"]).settings
    assert settings.server.hostname == ("mail.example.org", "imap.example.org")
    assert settings.store.path == tmp_path / "mail" / "store"
    certificates = tmp_path / "mail" / "certs"
    identity = check_pair(certificates / "mail.example.org.crt", certificates / "mail.example.org.key")
    assert identity.names == ("mail.example.org", "imap.example.org")
    assert (tmp_path / told["authority"]).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert Office(tmp_path / "mail").json("status")["domains"] == 0


def test_only_the_owner_can_look_into_it(tmp_path: Path) -> None:
    init("mail", "--hostname", "mail.example.org")
    for name in ("mail", "mail/store", "mail/certs", "mail/keys"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700
    for name in ("xtramail.toml", "keys/passwords.key", "certs/mail.example.org.key", "certs/authority/ca.key"):
        assert (tmp_path / "mail" / name).stat().st_mode & 0o777 == 0o600


def test_local_listens_on_loopback_and_high_ports(tmp_path: Path) -> None:
    init("mail", "--local")
    settings = load(config=str(tmp_path / "mail" / "xtramail.toml")).settings
    listen = settings.listen
    assert [*listen.smtp, *listen.submission, *listen.submissions, *listen.imaps] == [
        f"tcp:{port}:interface=127.0.0.1" for port in (2525, 2587, 2465, 2993)
    ]
    assert settings.server.hostname == ("localhost",)
    certificate = tmp_path / "mail" / "certs" / "localhost.crt"
    assert check_pair(certificate, certificate.with_suffix(".key")).names == ("localhost", "127.0.0.1")


def test_a_second_init_is_refused_and_changes_nothing(bare: Office) -> None:
    before = files(bare.folder)
    for words in ((), ("--local",), ("--hostname", "other.example")):
        result = init(str(bare.folder), *words)
        assert result.exit_code == 1
        assert "holds an installation already; choose another folder, or start that one" in result.stderr
    assert files(bare.folder) == before


# In the order in which they are made; what was cut short lacks the last of them.
PIECES = ("keys/passwords.key", "certs/mail.example.org.crt", "store/data.mdb", "xtramail.toml")


@pytest.mark.parametrize("made", range(len(PIECES)))
def test_an_init_that_was_cut_short_can_be_run_again(bare: Office, made: int) -> None:
    for piece in PIECES[made:]:
        (bare.folder / piece).unlink()
    kept = files(bare.folder)
    assert init(str(bare.folder), "--hostname", "mail.example.org").exit_code == 0
    assert bare.json("status")["server"] == "stopped"
    now = files(bare.folder)
    assert {name: now[name] for name in PIECES[:made] if name != "store/data.mdb"} == {
        name: kept[name] for name in PIECES[:made] if name != "store/data.mdb"
    }
    assert bare.json("cert", "check")["faults"] == []


def test_keys_that_were_cut_short_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / "mail" / "keys").mkdir(parents=True)
    (tmp_path / "mail" / "keys" / "passwords.key").write_text("0123")
    assert init("mail", "--hostname", "mail.example.org").exit_code == 0
    assert len((tmp_path / "mail" / "keys" / "passwords.key").read_text().split()) == 2


def test_a_store_with_somebody_in_it_is_not_taken_for_an_unfinished_one(office: Office) -> None:
    office.config.unlink()
    before = files(office.folder)
    result = init(str(office.folder), "--local")
    assert result.exit_code == 1
    assert "has accounts or mail in it and will not be overwritten" in result.stderr
    assert files(office.folder) == before


def test_a_store_that_a_server_holds_is_refused(bare: Office) -> None:
    bare.config.unlink()
    with ServerLock(bare.store), pytest.raises(StoreBusy, match="stop that server"):
        create(bare.folder, ("mail.example.org",), local=False, now=NOW)
    assert not bare.config.exists()


def test_a_folder_that_was_there_keeps_its_mode_and_its_files(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    (tmp_path / "there" / "photo").write_text("dear")
    assert init("there", "--hostname", "mail.example.org").exit_code == 0
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "there" / "photo").read_text() == "dear"


@pytest.mark.parametrize("name", ["", "a..b", "[192.0.2.1]", 'evil"]\n[relay]\nx = "', "\udcff"])
def test_a_host_name_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    result = init("mail", "--hostname", name)
    assert result.exit_code == 1
    assert not (tmp_path / "mail").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = init("file/mail", "--hostname", "mail.example.org")
    assert result.exit_code == 1
    assert "file/mail: Not a directory" in result.stderr


def test_the_settings_it_writes_are_toml_with_what_it_was_given() -> None:
    tables = tomllib.loads(settings_text(("a.example", "b.example"), local=True))
    assert tables["server"]["hostname"] == ["a.example", "b.example"]
    assert set(tables) == {"server", "store", "certificates", "login", "listen"}


def test_root_is_told_whose_files_they_are(tmp_path: Path) -> None:
    text = init("mail", "--hostname", "mail.example.org").stdout
    assert ("chown -R USER: mail" in text) is (os.geteuid() == 0)
    assert "xtramail --config mail/xtramail.toml domain add" in text and "twistd -n xtramail" in text


