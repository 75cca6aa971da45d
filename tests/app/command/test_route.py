"""``xtramail route``, as an administrator types it."""

from __future__ import annotations

from tests.app.command.office import Office
from xtramail.app.config import load

RELAY = "relay.example"


def test_routes_are_added_shown_listed_and_removed(office: Office) -> None:
    assert "handed to b.example:2525, priority 20" in office.done("route", "add", RELAY, "b.example:2525")
    assert office.json("domain", "show", RELAY)["primary"] == ["primary.example:25", "b.example:2525"]
    office.done("route", "add", RELAY, "here", "--user", f"ray@{RELAY}")
    out = ("route", "add", RELAY, "out.example", "--out", "--for", "up", "--login", "us")
    assert "while that answers" in office.done(*out, input="secret\n")
    found = office.json("route", "list", RELAY)
    assert [(one["way"], one["host"], one["user"]) for one in found] == [
        ("in", "primary.example:25", ""),
        ("in", "b.example:2525", ""),
        ("out", "out.example:587", ""),
        ("in", "here", f"ray@{RELAY}"),
    ]
    assert "secret" not in str(found) and found[2]["password"] == "set"
    shown = office.json("route", "show", RELAY, "out.example", "--out")
    assert (shown["login"], shown["for"], shown["priority"]) == ("us", "up", 10)
    office.done("route", "remove", RELAY, "--user", f"ray@{RELAY}")
    office.done("route", "remove", RELAY, "--out")
    office.done("route", "remove", RELAY, "primary.example")
    assert [one["host"] for one in office.json("route", "list")][-1] == "b.example:2525"


def test_refusals_name_field_rule_and_next_step(office: Office) -> None:
    assert "one of always" not in office.refused("route", "add", RELAY, "a b")
    assert "remove it first" in office.refused("route", "add", RELAY, "primary.example")
    assert "not served here" in office.refused("route", "add", "gone.example", "a.example")
    assert "no such route by c.example" in office.refused("route", "remove", RELAY, "c.example")
    assert "--out" in office.refused("route", "add", RELAY, "a.example", "--for", "up")


def test_an_empty_list_says_what_to_do(office: Office) -> None:
    assert "xtramail route add DOMAIN HOST" in office.done("route", "list", "local.example")


def test_a_message_is_released_to_where_its_recipient_lives(office: Office) -> None:
    ray = f"ray@{RELAY}"
    office.receive(ray)
    (waits,) = office.json("queue", "list")
    office.done("queue", "bounce", waits["id"], "--yes")
    office.done("route", "add", RELAY, "own.example", "--user", ray)
    assert office.json("message", "release", waits["message"])["to"] == [ray]
    assert [one["destination"] for one in office.json("queue", "list", "--domain", RELAY)] == [ray]
    office.done("route", "remove", RELAY, "--user", ray)
    office.done("route", "add", RELAY, "here", "--user", ray)
    assert "has no primary here to release to" in office.refused("message", "release", waits["message"])


def test_this_server_itself_is_no_next_hop(office: Office) -> None:
    port = load(config=str(office.config), options={}, environ={}).settings.listen.smtp[0].split(":")[1]
    own, why = f"127.0.0.1:{port}", "this server itself listens there"
    before = office.json("route", "list", RELAY)
    assert why in office.refused("route", "add", RELAY, own)
    assert why in office.refused("route", "add", RELAY, own, "--user", f"ray@{RELAY}")
    assert why in office.refused("route", "add", RELAY, own, "--out")
    assert why in office.refused("domain", "set", RELAY, f"primary=other.example,{own}")
    assert why in office.refused("domain", "set", RELAY, f"smarthost={own}")
    assert why in office.refused("domain", "add", "new.example", "--primary", own)
    assert office.json("route", "list", RELAY) == before
    office.done("route", "add", RELAY, "127.0.0.1:1")
