"""Sender addresses: who is named for them, who is not, and what follows for who may send."""

from __future__ import annotations

from typing import Any

import pytest

from tests import desks
from tests.delivery.world import World
from xtramail.directory.aliases import add_alias
from xtramail.directory.senders import (
    GONE,
    SenderAddress,
    add_sender,
    all_senders,
    remove_sender,
    sender_of,
    senders_of,
)
from xtramail.directory.users import remove_user
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount, NoSuchDomain, NoSuchSender, NotPermitted
from xtramail.model.pending import drive
from xtramail.store import audit, keys

LOCAL = "local.example"
ANN, BOB, INFO = f"ann@{LOCAL}", f"bob@{LOCAL}", f"info@{LOCAL}"


@pytest.fixture
def world() -> World:
    return World()


def add(world: World, address: str, *owners: str, desk: Any = None) -> SenderAddress:
    return drive(add_sender(desk or world.desk, address, owners))


def may(world: World, account: Any, address: str) -> bool:
    return world.directory.owns(account, Address.parse(address))


def test_everybody_sends_as_himself_alone(world: World) -> None:
    assert may(world, world.ann, ANN) and may(world, world.ann, "ANN@Local.Example")
    assert not may(world, world.ann, BOB) and not may(world, world.ann, INFO)
    assert not may(world, world.ann, "ann@elsewhere.example")


def test_owners_send_as_an_address_beside_each_other(world: World) -> None:
    add(world, INFO, ANN)
    assert add(world, "Info@LOCAL.example", BOB).owners == (ANN, BOB)
    assert may(world, world.ann, "INFO@local.example") and may(world, world.bob, INFO)
    assert not may(world, world.ray, INFO)
    assert drive(remove_sender(world.desk, INFO, [ANN])).owners == (BOB,)
    assert not may(world, world.ann, INFO) and may(world, world.bob, INFO)
    drive(remove_sender(world.desk, INFO))
    assert not may(world, world.bob, INFO) and senders_of(world.desk, LOCAL) == []


def test_the_owner_of_a_colleagues_address_and_the_colleague_both_send_as_it(world: World) -> None:
    add(world, BOB, ANN)
    assert may(world, world.ann, BOB) and may(world, world.bob, BOB)
    assert not may(world, world.bob, ANN)


def test_a_whole_domain_has_owners_of_another_one(world: World) -> None:
    assert add(world, f"*@{LOCAL}", "ray@relay.example").address == f"*@{LOCAL}"
    assert may(world, world.ray, ANN) and may(world, world.ray, f"anybody@{LOCAL}")
    assert not may(world, world.ray, "eve@relay.example")
    assert sender_of(world.desk, f"*@{LOCAL}").owners == ("ray@relay.example",)


def test_a_plus_makes_no_other_sender_of_an_address(world: World) -> None:
    drive(add_alias(world.desk, INFO, [ANN, BOB]))
    add(world, INFO, BOB)
    assert may(world, world.bob, f"info+x@{LOCAL}") and not may(world, world.ann, f"Info+x@{LOCAL}")
    drive(add_alias(world.desk, f"info+x@{LOCAL}", [ANN]))
    assert may(world, world.ann, f"info+x@{LOCAL}"), "it is an address of its own now"
    add(world, ANN, BOB)
    assert may(world, world.ann, f"ann+x@{LOCAL}") and may(world, world.bob, f"ann+x@{LOCAL}")
    add(world, f"info+y@{LOCAL}", ANN)
    assert may(world, world.ann, f"info+y@{LOCAL}") and not may(world, world.bob, f"info+y@{LOCAL}")
    world.change_domain(LOCAL, settings={"plus-addressing": "off"})
    assert not may(world, world.bob, f"info+z@{LOCAL}") and not may(world, world.ann, f"ann+x@{LOCAL}")


def test_who_comes_later_under_the_name_of_a_removed_owner_is_no_owner(world: World) -> None:
    add(world, INFO, BOB)
    drive(remove_user(world.desk, Address.parse(BOB)))
    again = world.user(BOB)
    assert not may(world, again, INFO)
    assert sender_of(world.desk, INFO).owners == (GONE,)
    drive(remove_sender(world.desk, INFO, [GONE]))
    with pytest.raises(NoSuchSender):
        sender_of(world.desk, INFO)


def test_what_does_not_fit_is_refused(world: World) -> None:
    with pytest.raises(BadInput, match="name at least one user"):
        add(world, INFO)
    with pytest.raises(NoSuchAccount, match="nobody@local.example does not exist"):
        add(world, INFO, f"nobody@{LOCAL}")
    with pytest.raises(BadInput, match="of type list"):
        add(world, INFO, "staff@relay.example")
    with pytest.raises(NoSuchDomain):
        add(world, "me@freemail.example", ANN)
    add(world, INFO, ANN)
    with pytest.raises(AlreadyExists, match="may send as it already"):
        add(world, INFO, ANN)
    with pytest.raises(NoSuchSender, match="bob@local.example is no owner"):
        drive(remove_sender(world.desk, INFO, [BOB]))
    with pytest.raises(NoSuchSender, match="no owners are named"):
        drive(remove_sender(world.desk, BOB))


def test_an_admin_names_owners_among_his_own(world: World) -> None:
    dora = desks.domain_admin(world.engine, world.clock, LOCAL)
    add(world, INFO, ANN, desk=dora)
    with pytest.raises(NoSuchAccount, match="user ray@relay.example does not exist"):
        add(world, INFO, "ray@relay.example", desk=dora)
    with pytest.raises(NoSuchDomain):
        add(world, "ray@relay.example", ANN, desk=dora)
    add(world, "ray@relay.example", "ray@relay.example")
    assert [one.address for one in all_senders(dora)] == [INFO]
    with pytest.raises(NotPermitted):
        add(world, INFO, BOB, desk=desks.user(world.engine, world.clock, ANN))


def test_each_change_has_one_audit_row(world: World) -> None:
    add(world, INFO, ANN)
    add(world, INFO, BOB)
    drive(remove_sender(world.desk, INFO))
    found = world.engine.read(keys.AUDIT, lambda snap: [row for _, row in audit.newest(snap)])[:3]
    assert [(row.what, row.object, row.before, row.after) for row in reversed(found)] == [
        ("sender add", INFO, None, {"owners": ANN}),
        ("sender add", INFO, {"owners": ANN}, {"owners": f"{ANN},{BOB}"}),
        ("sender remove", INFO, {"owners": f"{ANN},{BOB}"}, None),
    ]
