"""Mirrors are added, listed and taken back; nonsense is named with what to do instead."""

from __future__ import annotations

from tests.app.command.office import Office
from tests.delivery.world import World
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Snapshot

ANN, BOB, RAY = "ann@local.example", "bob@local.example", "ray@relay.example"


def seen(office: Office) -> int:
    """Messages in bob's INBOX."""

    def look(world: World) -> int:
        def count(snap: Snapshot) -> int:
            row = mailboxes.mailbox_by_name(snap, "INBOX")
            assert row is not None
            return sum(one.messages for one in messages.counters(snap, row).values())

        found: int = world.engine.read(keys.user_scope(world.bob.id), count)
        return found

    number: int = office.world(look)
    return number


def test_a_domain_and_an_address_are_mirrored_until_they_are_taken_back(office: Office) -> None:
    said = office.done("mirror", "add", "relay.example", "--into", BOB, "--days", "7")
    assert said == f"mail of relay.example is kept in the INBOX of {BOB} for 7 days, from now on.\n"
    assert office.json("mirror", "add", ANN.upper(), "--into", BOB)["days"] == 30
    rows = office.json("mirror", "list")
    assert [(row["source"], row["into"], row["days"]) for row in rows] == [
        (ANN, BOB, 30),
        ("relay.example", BOB, 7),
    ]
    assert [row["source"] for row in office.json("mirror", "list", "relay.example")] == ["relay.example"]
    office.receive(RAY)
    office.receive(ANN)
    assert seen(office) == 2
    assert "what was kept stays for its days" in office.done("mirror", "remove", "relay.example")
    office.receive(RAY)
    assert seen(office) == 2
    office.done("mirror", "remove", ANN, "--into", BOB)
    assert office.done("mirror", "list").startswith("nothing is mirrored; begin with")


def test_one_address_can_have_days_of_its_own_in_its_own_mailbox(office: Office) -> None:
    said = office.done("mirror", "add", RAY, "--days", "365")
    assert said == f"mail of {RAY} is kept in its own mailbox for 365 days, from now on.\n"
    assert office.json("mirror", "list")[0]["into"] == "own"
    assert "retention-days" in office.done("domain", "show", "relay.example")


def test_what_cannot_be_mirrored_is_said_with_the_next_step(office: Office) -> None:
    add = ("mirror", "add")
    assert "see: xtramail domain list" in office.refused(*add, "nowhere.example", "--into", BOB)
    assert "write it as name@example.org" in office.refused(*add, "@local.example", "--into", BOB)
    assert "see: xtramail user list" in office.refused(*add, ANN, "--into", "nobody@local.example")
    assert "of type list" in office.refused(*add, ANN, "--into", "staff@relay.example")
    assert "a number from 1 to 3650" in office.refused(*add, ANN, "--days", "-1")
    assert "a number from 1 to 3650" in office.refused(*add, ANN, "--days", "3651")
    office.done(*add, ANN, "--into", BOB)
    assert f"take it back first: xtramail mirror remove {ANN}" in office.refused(*add, ANN, "--into", BOB)


def test_of_two_mirrors_one_is_named_and_of_none_it_is_said(office: Office) -> None:
    assert "it is not mirrored; see: xtramail mirror list" in office.refused("mirror", "remove", ANN)
    office.done("mirror", "add", ANN, "--into", BOB)
    office.done("mirror", "add", ANN, "--days", "60")
    assert f"name one with --into: {BOB}, own" in office.refused("mirror", "remove", ANN)
    assert "not mirrored there" in office.refused("mirror", "remove", ANN, "--into", RAY)
    office.done("mirror", "remove", ANN, "--into", BOB)
    assert [row["into"] for row in office.json("mirror", "list")] == ["own"]


def test_a_mirror_whose_box_was_removed_says_so(office: Office) -> None:
    office.done("mirror", "add", ANN, "--into", BOB)
    office.done("user", "remove", BOB, "--yes")
    assert office.json("mirror", "list")[0]["into"] == "gone"
    office.done("mirror", "add", ANN, "--days", "60")
    assert "name one with --into: gone, own" in office.refused("mirror", "remove", ANN)
    office.done("mirror", "remove", ANN, "--into", "gone")
    assert [row["into"] for row in office.json("mirror", "list")] == ["own"]
    office.done("mirror", "remove", ANN, "--into", "own")
    assert office.json("mirror", "list") == []
