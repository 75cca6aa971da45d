"""``xtramail alias`` and ``xtramail domain-alias``, as an administrator types them."""

from __future__ import annotations

import json

from tests.app.command.office import Office

ANN, BOB, SALES = "ann@local.example", "bob@local.example", "sales@local.example"


def test_an_alias_is_added_shown_listed_and_removed(office: Office) -> None:
    assert "no aliases; add one" in office.done("alias", "list")
    assert f"{SALES} stands for {ANN}, zed@far.example." in office.done("alias", "add", SALES, ANN, "zed@far.example")
    assert f"{SALES} stands for {ANN}, zed@far.example, {BOB}." in office.done("alias", "add", SALES, BOB)
    shown = office.json("alias", "show", "SALES@Local.example")
    assert shown["targets"] == [ANN, "zed@far.example", BOB] and shown["warnings"] == []
    assert [one["address"] for one in office.json("alias", "list", "local.example")] == [SALES]
    assert f"{SALES} still stands for {ANN}, {BOB}." in office.done("alias", "remove", SALES, "zed@far.example")
    assert f"{SALES} stands for nobody any more." in office.done("alias", "remove", SALES)


def test_a_catch_all_is_warned_of_where_it_is_made_and_where_people_look(office: Office) -> None:
    done = office.json("alias", "add", "@local.example", BOB)
    assert "spam to names that somebody made up" in done["warnings"][0]
    assert office.json("alias", "show", "@local.example")["warnings"] == done["warnings"]
    notes = office.json("readiness", "local.example", "--nameserver", "127.0.0.1:9")["notes"]
    assert notes == [f"mail to every address of local.example is taken and goes to {BOB}, with much spam"]
    found = json.loads(office.run("doctor", "local.example", "--nameserver", "127.0.0.1:9", "--json").stdout)
    assert "local.example takes mail for every address, and spam to made-up ones" in [one["finding"] for one in found]


def test_refusals_name_field_rule_and_next_step(office: Office) -> None:
    office.done("alias", "add", SALES, ANN)
    assert "leads there already" in office.refused("alias", "add", SALES, ANN)
    assert "there is no such user or alias" in office.refused("alias", "add", SALES, "nobody@local.example")
    office.done("alias", "add", "all@local.example", SALES)
    refused = office.refused("alias", "add", SALES, "all@local.example")
    assert f"{SALES} -> all@local.example -> {SALES} would go round in circles" in refused
    assert "gone.example is not served here" in office.refused("alias", "add", "a@gone.example", ANN)
    assert "it is no alias" in office.refused("alias", "remove", ANN)
    assert "leads there; first take it off" in office.refused("user", "remove", ANN)


def test_another_name_of_a_domain_is_added_listed_and_removed(office: Office) -> None:
    assert "no domain has another name" in office.done("domain-alias", "list")
    assert "bureau.example is another name of local.example" in office.done(
        "domain-alias", "add", "Bureau.example", "local.example"
    )
    assert [one["name"] for one in office.json("domain-alias", "list", "local.example")] == ["bureau.example"]
    assert "another name of local.example" in office.refused("domain", "add", "bureau.example")
    assert "is another name of it" in office.refused("domain", "remove", "local.example", "--yes")
    office.done("domain-alias", "remove", "bureau.example")
    assert "no other name of a domain here" in office.refused("domain-alias", "remove", "bureau.example")
