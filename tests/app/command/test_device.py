"""Device passwords, from the command line."""

from __future__ import annotations

import re

import pytest

from tests.app.command.office import Office

ANN = "ann@local.example"


def test_a_device_password_is_shown_once(office: Office) -> None:
    made = office.json("device", "add", ANN, "--name", "Ann's iPhone", "--scope", "imap,smtp", "--expires", "+90d")
    assert re.fullmatch(r"([0-9a-z]{5}-){3}[0-9a-z]{5}", made["generated"])
    assert (made["user"], made["name"], made["scope"]) == (ANN, "Ann's iPhone", ["imap", "smtp"])
    (listed,) = office.json("device", "list", ANN)
    assert (listed["name"], listed["scope"], listed["last-used"]) == ("Ann's iPhone", ["imap", "smtp"], None)
    assert listed["expires"] == made["expires"]
    assert made["generated"] not in office.done("device", "list", ANN)


def test_devices_are_revoked_by_name_and_all_together(office: Office) -> None:
    for name in ("one", "two", "three"):
        office.done("device", "add", ANN, "--name", name)
    assert office.json("device", "revoke", ANN, "two") == {"user": ANN, "revoked": "two"}
    assert office.json("device", "revoke", ANN, "--all", "--yes")["revoked"] == 2
    assert office.json("device", "list", ANN) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add", "gone@local.example", "--name", "x"], "user gone@local.example does not exist"),
        (["add", ANN, "--name", "x", "--scope", "imap,web"], "scope 'web': one or more of imap,pop,smtp"),
        (["add", ANN, "--name", "x", "--expires", "soon"], "expires 'soon': now, +TIME"),
        (["add", ANN, "--name", "x", "--expires", "-2h"], "expires: a time that is still to come"),
        (["revoke", ANN, "phone"], "has no device 'phone'; see: xtramail device list"),
    ],
)
def test_a_refusal_names_the_field_and_the_rule(office: Office, words: list[str], reason: str) -> None:
    assert reason in office.refused("device", *words)


def test_revoking_wants_a_name_or_all(office: Office) -> None:
    assert office.run("device", "revoke", ANN).exit_code == 2
    assert office.run("device", "revoke", ANN, "phone", "--all").exit_code == 2
