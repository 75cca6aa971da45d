"""Device passwords are made, listed and revoked, and refused with the field and the rule."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tests.delivery.world import World
from xtramail.directory import devices, users
from xtramail.directory.keyring import Keyring, key_id
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, LimitReached, NoSuchAccount, NotPermitted, XtramailError
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store import devices as rows
from xtramail.store import keys

KEY = bytes(range(32))
KEYRING = Keyring(keys={key_id(KEY): KEY}, current=key_id(KEY))
ANN = Address.parse("ann@local.example")


@pytest.fixture
def world() -> World:
    return World()


def add(
    world: World, name: str, scopes: Collection[str] = ("imap",), expires: float = 0.0, who: Address = ANN
) -> Secret:
    return drive(devices.add(world.desk, who, KEYRING, name=name, scopes=scopes, expires=expires))


def names(world: World) -> list[str]:
    return [known.device.name for known in devices.of_user(world.desk, ANN)]


def test_devices_are_listed_oldest_first_without_their_passwords(world: World) -> None:
    first = add(world, "Zoe's   laptop")
    world.clock.advance(1)
    add(world, "phone", ("smtp", "pop"))
    assert names(world) == ["Zoe's laptop", "phone"]
    laptop, phone = devices.of_user(world.desk, ANN)
    assert (laptop.device.services, phone.device.services) == (("imap",), ("pop3", "submission"))
    assert laptop.device.key_id == KEYRING.current and laptop.use is None
    assert first.reveal() not in repr(laptop)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"name": ""}, BadInput, "name: one line of 1 to 100 characters"),
        ({"name": "x" * 101}, BadInput, "name: one line"),
        ({"name": "bell\x07"}, BadInput, "name: one line"),
        ({"name": "PHONE"}, AlreadyExists, "has a device 'PHONE'"),
        ({"name": "n", "scopes": ()}, BadInput, "one or more of imap,pop,smtp"),
        ({"name": "n", "scopes": ("imap", "web")}, BadInput, "scope 'web'"),
        ({"name": "n", "expires": 5.0}, BadInput, "expires: a time that is still to come"),
        ({"name": "n", "who": Address.parse("gone@local.example")}, NoSuchAccount, "does not exist"),
        ({"name": "n", "who": Address.parse("staff@relay.example")}, NotPermitted, "is a list"),
    ],
)
def test_what_is_wrong_is_named(world: World, given: dict[str, object], error: type[XtramailError], text: str) -> None:
    add(world, "phone")
    with pytest.raises(error, match=text):
        add(world, **given)  # type: ignore[arg-type]
    assert names(world) == ["phone"]


def test_devices_of_one_user_are_bounded(world: World) -> None:
    for number in range(devices.MOST):
        add(world, str(number))
    with pytest.raises(LimitReached):
        add(world, "one too many")


def test_one_or_all_are_revoked(world: World) -> None:
    for name in ("one", "two", "three"):
        add(world, name)
    assert drive(devices.revoke(world.desk, ANN, " TWO ")).name == "two"
    assert sorted(names(world)) == ["one", "three"]
    with pytest.raises(NoSuchAccount, match="has no device 'two'"):
        drive(devices.revoke(world.desk, ANN, "two"))
    assert drive(devices.revoke_all(world.desk, ANN)) == 2 and names(world) == []


def test_devices_go_with_their_user(world: World) -> None:
    add(world, "phone")
    drive(users.remove_user(world.desk, ANN))
    assert world.engine.read(keys.user_scope(world.ann.id), rows.devices) == []
