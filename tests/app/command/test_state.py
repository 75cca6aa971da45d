"""Exports, documents and CSV files, from the command line."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.app.command.office import Office
from tests.app.command.test_user import verifies
from tests.source_tree import ROOT
from xtramail.app.config import load
from xtramail.directory.state.catalogue import KINDS
from xtramail.directory.state.csv_files import columns_of
from xtramail.directory.state.kind import Kind

ANN = "ann@local.example"
RELAY = "relay.example"
USERS = "address,password,generate\ncy@local.example,correct horse,\ndora@local.example,,yes\n"


def written(folder: Path, text: str, name: str = "file") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_an_export_is_applied_without_a_change_and_says_so(office: Office, tmp_path: Path) -> None:
    office.done("user", "passwd", ANN, "--generate")
    text = office.done("export", "--with-secrets")
    assert json.loads(text)["format"] == 1 and "{XTRA-" in text
    said = office.done("apply", written(tmp_path, text), "-v")
    assert said.endswith("nothing to do.\n") and "users: 4 unchanged" in said
    assert office.json("apply", "-", input=text)["applied"] is False
    assert "{XTRA-" not in office.done("export")
    assert "password hashes" in office.run("export", "--with-secrets").stderr


def test_an_export_into_a_file_is_for_one_person_and_never_over_another(office: Office, tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    office.done("export", "--with-secrets", "--output", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.read_bytes()
    assert "is there already" in office.refused("export", "--output", str(target))
    assert target.read_bytes() == before
    assert "not served" in office.refused("export", "--domain", "nowhere.example", "--output", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


def test_a_plan_is_shown_and_done(office: Office, tmp_path: Path) -> None:
    value = {"format": 1, "users": [{"address": ANN, "quota": 7}, {"address": "cy@local.example"}]}
    file = written(tmp_path, json.dumps(value))
    said = office.done("apply", file, "--dry-run", "-v")
    assert "users: 1 to add, 1 to change" in said and "nothing was done: --dry-run" in said
    assert f"change users {ANN}: quota 0 -> 7" in said
    assert office.json("user", "show", ANN)["quota"] != 7
    done = office.json("apply", file, "-v")
    assert done["applied"] and done["plan"]["users"] == {"add": 1, "change": 1, "remove": 0, "unchanged": 0}
    assert done["without-password"] == 1
    assert [step["object"] for step in done["steps"]] == [ANN, "cy@local.example"]
    assert office.json("user", "show", ANN)["quota"] == 7
    assert office.done("apply", file).endswith("nothing to do.\n")


def test_users_of_a_csv_file_get_their_passwords(office: Office, tmp_path: Path) -> None:
    file, target = written(tmp_path, USERS), tmp_path / "new.csv"
    assert "--passwords FILE" in office.refused("import", file, "--kind", "users")
    office.done("import", file, "--kind", "users", "--dry-run")
    done = office.json("import", file, "--kind", "users", "--passwords", str(target))
    assert done["generated"] == 1 and done["passwords"] == str(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    rows = list(csv.reader(target.read_text().splitlines()))
    assert rows[0] == ["address", "password"] and rows[1][0] == "dora@local.example"
    assert verifies(office, "dora@local.example", rows[1][1])
    assert verifies(office, "cy@local.example", "correct horse")
    assert "is there already" in office.refused("import", file, "--kind", "users", "--passwords", str(target))
    assert office.done("import", file, "--kind", "users").endswith("nothing to do.\n")


def test_everybody_without_a_password_can_be_given_one(office: Office, tmp_path: Path) -> None:
    file = written(tmp_path, "address\ncy@local.example\ndora@local.example\n")
    target = tmp_path / "new.csv"
    office.done("import", file, "--kind", "users", "--generate", "--passwords", str(target))
    assert len(target.read_text().splitlines()) == 3
    result = office.run("import", file, "--kind", "domains", "--generate")
    assert result.exit_code == 2 and "--generate goes with --kind users" in result.output


def test_faults_are_told_with_line_and_field_and_nothing_is_done(office: Office, tmp_path: Path) -> None:
    before = office.done("export", "--with-secrets")
    file = written(tmp_path, "address;quota\r\ncy@local.example;5GiB\r\nbad;x\r\n=1;7\r\n")
    said = office.refused("import", file, "--kind", "users")
    assert said.splitlines() == [
        "users, line 3: quota: 'x': write a whole number, or a size such as 5GiB",
        "users, line 4: address: a spreadsheet takes this for a formula; write ' before it where it is meant",
        "nothing was changed",
    ]
    assert "kind 'shoes': choose one of tenants" in office.refused("import", file, "--kind", "shoes")
    assert "No such file" in office.refused("apply", str(tmp_path / "nowhere"))
    assert "line 1: this is no document of xtramail" in office.refused("apply", file)
    assert "Is a directory" in office.refused("apply", str(tmp_path))
    assert office.done("export", "--with-secrets") == before


def test_this_server_itself_is_no_next_hop_in_a_file_either(office: Office, tmp_path: Path) -> None:
    port = load(config=str(office.config), options={}, environ={}).settings.listen.smtp[0].split(":")[1]
    own, why = f"127.0.0.1:{port}", "this server itself listens there ([listen] smtp)"
    before = office.done("export", "--with-secrets")
    text = (
        '{"format": 1, "domains": [\n'
        f'{{"name": "{RELAY}", "primary": ["one.example", "{own}", "localhost:{port}"]}},\n'
        f'{{"name": "new.example", "primary": ["two.example"], "smarthost": "{own}"}}\n'
        '], "places": [\n'
        f'{{"address": "ray@{RELAY}", "hosts": ["{own}=10"]}}\n'
        '], "outbound": [\n'
        f'{{"domain": "{RELAY}", "host": "{own}"}}]}}\n'
    )
    lines = office.refused("apply", written(tmp_path, text)).splitlines()
    assert [line.partition(" host ")[0] for line in lines] == [
        "domains, line 2: primary:",
        "domains, line 2: primary:",
        "domains, line 3: smarthost:",
        "outbound, line 7: host:",
        "places, line 5: hosts:",
        "nothing was changed",
    ]
    assert all(why in line and "; name the server that has the mailboxes" in line for line in lines[:-1])
    for kind, field, text in (
        ("domains", "primary", f"name,primary\n{RELAY},{own}\n"),
        ("places", "hosts", f"address,hosts\nray@{RELAY},{own}=10\n"),
    ):
        said = office.refused("import", written(tmp_path, text), "--kind", kind)
        assert said.startswith(f"{kind}, line 2: {field}: host {own}: {why}")
    assert office.done("export", "--with-secrets") == before


def test_a_next_hop_that_became_this_server_itself_later_keeps_no_other_change_out(
    office: Office, tmp_path: Path
) -> None:
    listen = re.search(r"^smtp = (.*)$", office.config.read_text(), re.MULTILINE)
    assert listen is not None
    office.done("domain", "set", RELAY, "primary=127.0.0.1:1")
    office.config.write_text(office.config.read_text().replace(listen[1], '["tcp:1:interface=127.0.0.1"]'))
    office.done("apply", written(tmp_path, f'{{"format": 1, "domains": [{{"name": "{RELAY}", "quota": 7}}]}}'))
    both = f'{{"format": 1, "domains": [{{"name": "{RELAY}", "primary": ["127.0.0.1:1", "localhost:1"]}}]}}'
    (said, _) = office.refused("apply", written(tmp_path, both)).splitlines()
    assert said.startswith("domains, line 1: primary: host localhost:1: this server itself")


def test_a_file_larger_than_is_read_is_refused_before_it_is(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as made:
        os.truncate(made.fileno(), (256 << 20) + 1)
    assert "larger than 256 MiB" in office.refused("apply", str(file))


def test_an_export_as_csv_comes_back(office: Office, tmp_path: Path) -> None:
    text = office.done("export", "--csv", "users", "--with-secrets")
    assert text.splitlines()[0].startswith("address,type,status,quota,password-hash")
    assert office.done("import", "-", "--kind", "users", input=text).endswith("nothing to do.\n")
    assert "password-hash" not in office.done("export", "--csv", "users")
    assert "without --with-secrets" in office.refused("export", "--csv", "devices")


@pytest.mark.parametrize("command", ["import", "export", "apply"])
def test_help_names_every_kind_and_column(office: Office, command: str) -> None:
    said = " ".join(office.done(command, "--help").split())
    if command == "import":
        assert "users: address, type, status, quota, password, generate" in said
    if command != "apply":
        assert "domain-aliases" in said


def test_what_is_removed_is_named(office: Office, tmp_path: Path) -> None:
    value = json.loads(office.done("export"))
    value["users"] = [row for row in value["users"] if row["address"] != "bob@local.example"]
    file = written(tmp_path, json.dumps(value))
    assert office.done("apply", file).endswith("nothing to do.\n")
    assert "  remove users bob@local.example" in office.done("apply", file, "--remove-missing", "-v")
    assert "bob@local.example" not in office.done("export")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_manual_names_the_columns_of_each_kind(kind: Kind[Any]) -> None:
    manual = (ROOT / "OPERATING.md").read_text("utf-8")
    assert f"| `{kind.name}` | {kind.doc} | `{', '.join(columns_of(kind))}` |" in manual


def test_all_that_is_wrong_is_named_where_that_is_asked_for(office: Office, tmp_path: Path) -> None:
    foreign = "{XTRA-HMAC}00000000$" + "a" * 43
    rows = [{"address": f"u{number}@local.example", "password-hash": foreign} for number in range(150)]
    file = written(tmp_path, json.dumps({"format": 1, "users": rows}).replace("}, {", "},\n{"))
    short = office.refused("apply", file, "--dry-run")
    assert "users, line 100: " in short and "users, line 101: " not in short
    assert "... and 50 more; with --verbose all are named" in short
    whole = office.refused("apply", file, "--dry-run", "-v")
    assert whole.count("\nusers, line ") >= 149 and "users, line 150: password-hash: " in whole
