"""``xtramail sender``, as an administrator types it."""

from __future__ import annotations

from tests.app.command.office import Office

ANN, BOB, INFO = "ann@local.example", "bob@local.example", "info@local.example"


def test_owners_are_added_shown_listed_and_removed(office: Office) -> None:
    assert "everybody sends as himself alone" in office.done("sender", "list")
    assert f"who may send as {INFO}: {ANN}, {BOB}." in office.done("sender", "add", INFO, BOB, ANN)
    assert office.json("sender", "show", INFO) == {"address": INFO, "owners": [ANN, BOB]}
    office.done("sender", "add", "*@local.example", ANN)
    assert [one["address"] for one in office.json("sender", "list", "local.example")] == ["*@local.example", INFO]
    assert f"may still send as {INFO}: {BOB}." in office.done("sender", "remove", INFO, ANN)
    assert "nobody is named for it any more" in office.done("sender", "remove", INFO)


def test_refusals_name_field_rule_and_next_step(office: Office) -> None:
    assert "user nobody@local.example does not exist" in office.refused("sender", "add", INFO, "nobody@local.example")
    assert "gone.example is not served here" in office.refused("sender", "add", "a@gone.example", ANN)
    assert "no owners are named for it" in office.refused("sender", "remove", INFO)
    assert "name@example.org" in office.refused("sender", "add", "info", ANN)
