"""By which hosts mail leaves, and in which order they are tried: priorities, shares, and what happens to one down."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import RelayWorld, lose, refuse
from tests.delivery.world import id_of
from tests.store.samples import entry
from xtramail.delivery.asking import hops_of
from xtramail.delivery.courier import Hop
from xtramail.delivery.routing import NoMailHost
from xtramail.directory.domains import parse_change, set_domain
from xtramail.directory.route_words import read
from xtramail.directory.routes import add_route
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.wire.smtp.client_events import Stage

RELAY = "relay.example"
RAY = f"ray@{RELAY}"
FAR = replace(entry(destination="far.example"), kind="outside", reverse_path=RAY)
LETTER = b"From: ray@relay.example\r\nMessage-ID: <l1@relay.example>\r\n\r\nHello.\r\n"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def out(world: RelayWorld, host: str, when: str = "always", **options: Any) -> None:
    drive(add_route(world.desk, RELAY, read(host, out=True, when=when, **options)))


def tried(world: RelayWorld) -> list[str]:
    return [hop.host for hop in drive(world.routing.hops(FAR))]


def test_the_lowest_priority_comes_first_and_equal_ones_share(world: RelayWorld) -> None:
    domain = world.directory.domain(RELAY)
    assert domain is not None
    hosts = (("a", 25, 10), ("b", 25, 10), ("c", 25, 5))
    for chances, expected in (((0.1, 0.9, 0.5), "cab"), ((0.9, 0.1, 0.5), "cba")):
        left = iter(chances)
        assert "".join(hop.host for hop in hops_of(domain, hosts, chance=lambda left=left: next(left))) == expected
    drive(add_route(world.desk, RELAY, read("second.example", priority=10)))
    firsts = {drive(world.routing.hops(entry(destination=RELAY)))[0].host for _ in range(60)}
    assert firsts == {"primary.example", "second.example"}


def test_hosts_named_for_always_are_the_only_way_out(world: RelayWorld) -> None:
    out(world, "one.example")
    out(world, "two.example:2525", login="us", password=Secret("secret"))
    assert drive(world.routing.hops(FAR)) == [
        Hop(host="one.example", port=587, tls="verify"),
        Hop(host="two.example", port=2525, tls="verify", user="us", password=Secret("secret")),
    ]


def test_one_for_up_is_tried_first_and_mail_goes_by_itself_when_it_is_down(world: RelayWorld) -> None:
    out(world, "up.example", "up")
    assert tried(world) == ["up.example", "far.example"]
    world.courier.hosts["up.example"] = lose(Stage.CONNECT, "refused")
    number = id_of(world.submit(world.ray, "zoe@far.example", message=LETTER))
    world.ticks(1)
    assert world.fates(number)["zoe@far.example"] == Fate.DELIVERED
    assert [call.hop.host for call in world.courier.calls if call.recipients == ["zoe@far.example"]] == [
        "up.example",
        "far.example",
    ]


def test_it_is_not_tried_while_the_primary_is_away_and_others_are(world: RelayWorld) -> None:
    out(world, "up.example", "up")
    world.hold(RELAY)
    assert tried(world) == ["far.example"]
    out(world, "down.example", "down")
    assert tried(world) == ["down.example"]
    drive(set_domain(world.desk, RELAY, [parse_change("smarthost", "ever.example")]))
    assert tried(world)[0] in ("ever.example", "down.example") and len(tried(world)) == 2


def test_what_dns_does_not_know_still_goes_by_the_smarthost(world: RelayWorld) -> None:
    out(world, "up.example", "up")
    world.hosts.known = {"far.example": "no such domain"}
    assert tried(world) == ["up.example"]
    world.hosts.known = {"far.example": "down"}
    assert tried(world) == ["up.example"]
    world.hold(RELAY)
    world.hosts.known = {"far.example": "no such domain"}
    with pytest.raises(NoMailHost):
        tried(world)


def test_nobody_elses_mail_goes_by_them(world: RelayWorld) -> None:
    out(world, "one.example")
    assert drive(world.routing.hops(replace(FAR, reverse_path="ann@local.example")))[0].host == "far.example"


def test_a_message_that_the_smarthost_refuses_is_refused(world: RelayWorld) -> None:
    """It is there, and said no: going around it is no answer to that."""
    out(world, "up.example", "up")
    world.courier.hosts["up.example"] = refuse(Stage.RCPT, 550, "5.7.1")
    number = id_of(world.submit(world.ray, "zoe@far.example", message=LETTER))
    world.ticks(1)
    hosts = [call.hop.host for call in world.courier.calls if call.recipients == ["zoe@far.example"]]
    assert hosts == ["up.example"] and world.fates(number)["zoe@far.example"] == Fate.BOUNCED
