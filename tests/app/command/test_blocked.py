"""Users who may send nothing to the world, from the command line."""

from __future__ import annotations

from tests.app.command.office import Office

ANN = "ann@local.example"


def test_a_person_blocks_and_releases(office: Office) -> None:
    assert office.done("blocked", "list") == "nobody is blocked from sending\n"
    office.done("blocked", "add", ANN, "--reason", "lost his laptop")
    (row,) = office.json("blocked", "list", "local.example")
    assert (row["user"], row["cause"], row["reason"]) == (ANN, "person", "lost his laptop")
    assert office.json("blocked", "list", "relay.example") == []
    assert "blocked already" in office.refused("blocked", "add", ANN)
    assert office.json("blocked", "release", ANN)["released"] is True
    assert "is not blocked" in office.refused("blocked", "release", ANN)
    told = [(one["what"], one["object"]) for one in office.json("audit", "list")]
    assert told[:2] == [("blocked release", ANN), ("blocked add", ANN)]


def test_nobody_is_told_by_alert_of_what_a_person_did(office: Office) -> None:
    office.done("blocked", "add", ANN)
    assert office.json("alert", "list") == []


def test_what_is_wrong_is_said(office: Office) -> None:
    assert "user eve@local.example does not exist" in office.refused("blocked", "add", "eve@local.example")
    assert "one line of at most 150" in office.refused("blocked", "add", ANN, "--reason", "x" * 151)
    assert "one line of at most 150" in office.refused("blocked", "add", ANN, "--reason", "a\nb")
    assert "not served here" in office.refused("blocked", "list", "nowhere.example")
