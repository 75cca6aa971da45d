"""The domain in whose name another one forwards: served, seen by who names it, and not taken away from under it."""

from __future__ import annotations

import pytest

from tests import desks
from tests.delivery.world import World
from xtramail.directory.desk import Desk
from xtramail.directory.domains import add_domain, parse_change, remove_domain, set_domain
from xtramail.directory.forwarding_names import forwarding_as
from xtramail.model.errors import BadInput, NotPermitted
from xtramail.model.pending import drive

LOCAL, FWD = "local.example", "fwd.example"


@pytest.fixture
def world() -> World:
    world = World()
    drive(add_domain(world.desk, FWD, recipients="listed"))
    return world


def name(desk: Desk, value: str) -> str:
    return forwarding_as(drive(set_domain(desk, LOCAL, [parse_change("forward-as", value)])))


def test_a_served_domain_is_named_and_taken_back(world: World) -> None:
    assert name(world.desk, "FWD.example.") == FWD
    assert name(world.desk, "") == ""


@pytest.mark.parametrize("value", ["gone.example", "ask.example"])
def test_one_that_its_actor_does_not_see_is_refused_with_the_next_step(world: World, value: str) -> None:
    desk = desks.domain_admin(world.engine, world.clock, LOCAL, FWD)
    with pytest.raises(BadInput, match=f"forward-as {value}: must be a domain that is served here; first: xtramail"):
        name(desk, value)
    assert name(desk, FWD) == FWD


def test_one_that_is_not_proved_yet_is_refused(world: World) -> None:
    world.change_domain(FWD, unverified=True)
    with pytest.raises(BadInput, match="first: xtramail domain verify fwd.example"):
        name(world.desk, FWD)


def test_it_is_not_removed_while_it_is_used(world: World) -> None:
    name(world.desk, FWD)
    with pytest.raises(NotPermitted, match="first: xtramail domain set local.example forward-as="):
        drive(remove_domain(world.desk, FWD))
    world.change_domain(FWD, tenant="acme")
    with pytest.raises(NotPermitted, match="mail of another's domain is forwarded in its name; ask an operator"):
        drive(remove_domain(desks.tenant_admin(world.engine, world.clock, "acme"), FWD))
    name(world.desk, "")
    drive(remove_domain(world.desk, FWD))
