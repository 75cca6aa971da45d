"""Cards as files: for their owner's eyes, under safe names, never written over by accident."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.app.command.office import Office
from xtramail.app.command.card import file_name

RAY = "ray@relay.example"


def test_a_card_is_printed_or_written_as_text_and_html(office: Office, tmp_path: Path) -> None:
    assert "User name: ray@relay.example" in office.done("user", "card", RAY)
    out = tmp_path / "cards"
    told = office.json("user", "card", RAY, "--out", str(out))
    assert told["files"] == [str(out / f"{RAY}.txt"), str(out / f"{RAY}.html")]
    for place in out.iterdir():
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    text = (out / f"{RAY}.txt").read_text()
    assert "Server:    mail.example.org" in text and "Port:      2993" in text


def test_no_card_has_a_password(office: Office, tmp_path: Path) -> None:
    made = office.json("user", "passwd", RAY, "--generate")["generated"]
    office.done("user", "card", "--all", "--domain", "relay.example", "--out", str(tmp_path / "cards"))
    written = [place.read_text() for place in (tmp_path / "cards").iterdir()]
    assert len(written) == 2, "a list has no card"
    assert not any(made in text or "XTRA-" in text for text in written)


def test_files_that_are_there_stay_unless_forced(office: Office, tmp_path: Path) -> None:
    office.done("user", "card", RAY, "--out", str(tmp_path / "cards"))
    (tmp_path / "cards" / f"{RAY}.html").unlink()
    assert "is there already; nothing was written" in office.refused(
        "user", "card", RAY, "--out", str(tmp_path / "cards")
    )
    assert not (tmp_path / "cards" / f"{RAY}.html").exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "cards" / f"{RAY}.html").symlink_to(elsewhere)
    office.done("user", "card", RAY, "--out", str(tmp_path / "cards"), "--force")
    assert elsewhere.read_text() == "mine" and not (tmp_path / "cards" / f"{RAY}.html").is_symlink()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("user", "card", "nobody@relay.example"), "does not exist"),
        (("user", "card", "staff@relay.example"), "is a list"),
        (("user", "card", "--all", "--domain", "gone.example", "--out", "x"), "is not served here"),
        (("user", "card", "--all", "--domain", "ask.example", "--out", "x"), "has no users who can log in"),
    ],
)
def test_a_card_of_nobody_is_refused(office: Office, words: tuple[str, ...], reason: str) -> None:
    assert reason in office.refused(*words)


def test_whose_card_must_be_said(office: Office) -> None:
    wrong = ((), (RAY, "--all"), ("--all",), (RAY, "--domain", "relay.example"), ("--all", "--domain", "x.example"))
    for words in wrong:
        assert office.run("user", "card", *words).exit_code == 2


def test_names_of_files_are_safe_and_each_ones_own() -> None:
    addresses = ("ann@x.example", "a/nn@x.example", "a:nn@x.example", "../ann@x.example", "é@x.example")
    names = [file_name(one) for one in addresses]
    assert names[0] == "ann@x.example" and len(set(names)) == 5
    for name in names:
        assert os.sep not in name and not name.startswith(".") and name.isascii() and len(name) < 200


def test_an_outside_address_is_set_and_shown(office: Office) -> None:
    told = office.json("user", "set", RAY, "outside-address=ray@home.example")
    assert told["outside-address"] == "ray@home.example"
    assert "is served here" in office.refused("user", "set", RAY, "outside-address=ann@local.example")
    assert office.json("user", "set", RAY, "outside-address=")["outside-address"] == ""
