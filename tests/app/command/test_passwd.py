"""New passwords for many users, from the command line."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import pytest

from tests.app.command.office import Office
from tests.app.command.test_user import verifies

ANN, BOB = "ann@local.example", "bob@local.example"


def test_all_of_a_domain_get_passwords_in_a_file_for_one_person(office: Office, tmp_path: Path) -> None:
    target = tmp_path / "new.csv"
    done = office.json("user", "passwd", "--all", "--domain", "local.example", "--generate", "--csv", str(target))
    rows = list(csv.reader(target.read_text().splitlines()))
    assert rows[0] == ["address", "password"] and done == {"changed": len(rows) - 1, "csv": str(target)}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    made = dict(rows[1:])
    assert {ANN, BOB} <= set(made) and len(set(made.values())) == len(made)
    assert verifies(office, ANN, made[ANN]) and verifies(office, BOB, made[BOB])
    assert not verifies(office, ANN, made[BOB])


def test_a_file_is_never_written_over_and_then_nothing_changes(office: Office, tmp_path: Path) -> None:
    target = tmp_path / "there.csv"
    target.write_text("mine")
    before = office.json("user", "list")
    words = ("user", "passwd", "--all", "--domain", "local.example", "--generate", "--csv", str(target))
    assert "is there already" in office.refused(*words)
    assert target.read_text() == "mine" and office.json("user", "list") == before


def test_users_of_a_file_get_one_given_password_each_with_its_own_hash(office: Office, tmp_path: Path) -> None:
    chosen = tmp_path / "users.csv"
    chosen.write_text(f"address,name\n{ANN},Ann\n\n# not Carla\n'{BOB},Bob\n{ANN.upper()},again\n")
    words = ("user", "passwd", "--users", str(chosen), "--password-stdin", "--temporary")
    assert office.json(*words, input="correct horse\n") == {"changed": 2}
    assert verifies(office, ANN, "correct horse") and verifies(office, BOB, "correct horse")
    assert office.json("user", "show", ANN)["must-change"] == "yes"
    office.done("user", "passwd", ANN, "--generate")
    assert office.json("user", "show", ANN)["must-change"] == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ANN}\ngone@local.example\n", "line 2: user gone@local.example does not exist"),
        (f"{ANN}\nnobody\n", "line 2: address 'nobody': write it as"),
        ("staff@relay.example\n", "line 1: staff@relay.example is a list"),
        (f"{ANN}\n" + "x" * 200_000, "line 2: field larger than field limit"),
        (f"{ANN}\x0b{BOB}\n", "line 1: address"),
        ("\n# nobody\n", "there is nobody whose password could be changed"),
    ],
)
def test_a_bad_line_is_named_and_nothing_changes(office: Office, tmp_path: Path, text: str, reason: str) -> None:
    chosen = tmp_path / "users.txt"
    chosen.write_text(text)
    before = office.json("user", "list")
    assert reason in office.refused("user", "passwd", "--users", str(chosen), "--generate")
    assert office.json("user", "list") == before


@pytest.mark.parametrize(
    "words",
    [
        [ANN],
        ["--generate"],
        ["--all", "--generate"],
        ["--domain", "local.example", "--generate"],
        [ANN, "--all", "--domain", "local.example", "--generate"],
        [ANN, "--generate", "--csv", "x.csv"],
        ["--all", "--domain", "local.example", "--password-stdin", "--csv", "x.csv"],
        [ANN, "--generate", "--password-stdin"],
    ],
)
def test_what_makes_no_sense_together_is_a_matter_of_usage(office: Office, words: list[str]) -> None:
    assert office.run("user", "passwd", *words).exit_code == 2


def test_a_password_that_is_tried_first_is_refused(office: Office) -> None:
    assert "tried first" in office.refused("user", "passwd", ANN, "--password-stdin", input="Password123!\n")
    words = ("user", "passwd", "--all", "--domain", "local.example", "--password-stdin")
    assert "tried first" in office.refused(*words, input="Welcome1\n")
