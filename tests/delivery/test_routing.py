"""Where a queue entry goes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import RelayWorld
from tests.store.samples import entry
from xtramail.delivery.courier import Hop
from xtramail.delivery.routing import NameServiceDown, NoMailHost, NoRoute, RoutingSettings
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store.records import QueueEntry


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def outside(sender: str = "zoe@elsewhere.example") -> QueueEntry:
    return replace(entry(destination="far.example"), kind="outside", reverse_path=sender)


def hops(world: RelayWorld, one: QueueEntry) -> list[Hop]:
    return drive(world.routing.hops(one))


def test_mail_for_a_served_domain_goes_to_its_primaries_with_their_tls(world: RelayWorld) -> None:
    world.change_domain(
        "relay.example", primaries=(("a.example", 25), ("::1", 2525)), primary_tls="verify", primary_ca="/ca.pem"
    )
    found = hops(world, entry(destination="relay.example"))
    assert found == [
        Hop(host="a.example", port=25, tls="verify", ca="/ca.pem"),
        Hop(host="::1", port=2525, tls="verify", ca="/ca.pem"),
    ]


def test_mail_for_a_domain_without_primary_or_that_is_gone_waits_with_the_next_step(world: RelayWorld) -> None:
    with pytest.raises(NoRoute, match="xtramail domain set local.example primary=HOST"):
        hops(world, entry(destination="local.example"))
    with pytest.raises(NoRoute, match="gone.example is not served here any more"):
        hops(world, entry(destination="gone.example"))


def test_mx_hosts_come_by_preference_and_not_too_many(world: RelayWorld) -> None:
    world.hosts.known = {"far.example": [(20, "c.far.example"), (10, "a.far.example"), (10, "b.far.example")]}
    for _ in range(5):
        found = [hop.host for hop in hops(world, outside())]
        assert set(found[:2]) == {"a.far.example", "b.far.example"} and found[2] == "c.far.example"
    world.hosts.known = {"far.example": [(number, f"m{number}.example") for number in range(20)]}
    assert [hop.host for hop in hops(world, outside())] == [f"m{number}.example" for number in range(5)]
    assert hops(world, outside())[0].tls == "opportunistic"


def test_what_dns_says_passes_through(world: RelayWorld) -> None:
    world.hosts.known = {"far.example": "null MX"}
    with pytest.raises(NoMailHost):
        hops(world, outside())
    world.hosts.known = {"far.example": "down"}
    with pytest.raises(NameServiceDown):
        hops(world, outside())


def test_a_senders_smarthost_comes_before_the_servers_and_is_always_verified(world: RelayWorld) -> None:
    world.routing.settings = RoutingSettings(smarthost="relay.provider.example", tls="required")
    assert hops(world, outside()) == [Hop(host="relay.provider.example", port=25, tls="required")]
    world.change_domain("local.example", smarthost="out.example", smarthost_user="us", smarthost_password="secret")
    assert hops(world, outside("ann@local.example")) == [
        Hop(host="out.example", port=587, tls="verify", user="us", password=Secret("secret"))
    ]
    assert hops(world, outside("")) == [Hop(host="relay.provider.example", port=25, tls="required")]
