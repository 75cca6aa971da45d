"""Figures for people and for checks."""

from __future__ import annotations

from tests.app.command.office import Office
from tests.delivery.test_submission import DRAFT
from tests.delivery.world import World

ANN, BOB, LOCAL = "ann@local.example", "bob@local.example", "local.example"


def fill(world: World) -> None:
    world.receive(ANN, BOB)
    world.submit(world.ann, "zoe@out.example", "yan@out.example", BOB, message=DRAFT)


def test_mailboxes_by_share_and_the_sum_of_the_domain(office: Office) -> None:
    office.world(fill)
    office.done("user", "set", BOB, "quota=1KiB")
    office.done("domain", "set", LOCAL, "quota=1GiB")
    told = office.json("stats", "quota", LOCAL)
    first, *_ = told["users"]
    assert first["address"] == BOB and first["share"] == round(first["used"] / 10.24, 1)
    (sums,) = told["domains"]
    assert sums["used"] == sum(user["used"] for user in told["users"]) and sums["quota"] == 1 << 30
    text = office.done("stats", "quota", LOCAL)
    assert f"{first['share']} %\t" in text and "1.0 GiB" in text and "1.0 KiB" in text


def test_a_check_says_nothing_while_all_is_well(office: Office) -> None:
    office.world(fill)
    quiet = office.run("stats", "quota", "--over", "90")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    office.done("user", "set", BOB, "quota=100")
    loud = office.run("stats", "quota", "--over", "90")
    assert loud.exit_code == 1 and BOB in loud.stdout and ANN not in loud.stdout


def test_who_sent_how_much(office: Office) -> None:
    assert office.done("stats", "senders") == "nobody sent anything to the world in the last day\n"
    office.world(fill)
    office.done("blocked", "add", ANN)
    (row,) = office.json("stats", "senders")
    assert (row["sender"], row["hour"], row["day"], row["messages-day"], row["of"], row["blocked"]) == (
        ANN, 2, 2, 1, 500, True,
    )  # fmt: skip
    assert row["octets-day"] > len(DRAFT)
    office.done("user", "set", ANN, "send-rate=0")
    assert office.json("stats", "senders", LOCAL)[0]["of"] == 0
    assert office.json("stats", "senders", "relay.example") == []
    assert "blocked" in office.done("stats", "senders")


def test_long_lists_are_cut_and_say_so(office: Office) -> None:
    office.world(fill)
    assert "... and 2 more: --limit" in office.done("stats", "quota", "--limit", "1")
