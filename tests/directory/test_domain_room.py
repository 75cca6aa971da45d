"""A domain's quota holds all of its users together, by a sum that is a few seconds old."""

from __future__ import annotations

from tests.delivery.world import MESSAGE, World, rcpt, reverse
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.domain_room import AT_LEAST, DomainRoom
from xtramail.directory.domains import parse_change, set_domain
from xtramail.directory.holding import hold_domain
from xtramail.directory.quota_figures import quota_use
from xtramail.model.peer import Peer
from xtramail.model.pending import drive
from xtramail.store import keys, usage

PEER = Peer(address="192.0.2.7", port=40_000, helo="mail.sender.example", esmtp=True)
LOCAL, RELAY = "local.example", "relay.example"


def room(world: World) -> DomainRoom:
    return DomainRoom(world.engine, world.clock)


def set_quota(world: World, domain: str, quota: int) -> None:
    drive(set_domain(world.desk, domain, [parse_change("quota", str(quota))]))


def used(world: World, account_id: int) -> int:
    return world.engine.read(keys.user_scope(account_id), usage.used_bytes)


def begun(world: World, size: int = 0) -> MailTransaction:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example", size=size or None))
    return transaction


def test_without_a_quota_everything_fits() -> None:
    world = World()
    assert room(world).fits(world.ann, 1 << 50)


def test_the_users_of_a_domain_fill_it_together() -> None:
    world = World()
    world.receive("ann@local.example")
    world.receive("bob@local.example")
    held = used(world, world.ann.id) + used(world, world.bob.id)
    set_quota(world, LOCAL, held + 10)
    there = room(world)
    assert there.fits(world.ann, 10) and not there.fits(world.ann, 11)
    assert there.fits(world.ann, held + 20, times=2)
    assert there.fits(world.ray, 1 << 40)


def test_a_sum_is_believed_for_some_seconds_and_never_after_a_change_of_the_quota() -> None:
    world = World()
    set_quota(world, LOCAL, 100)
    there = room(world)
    assert there.fits(world.ann, 100)
    world.receive("ann@local.example")
    assert there.fits(world.ann, 100)
    world.clock.advance(AT_LEAST)
    assert not there.fits(world.ann, 100)
    set_quota(world, LOCAL, 1 << 20)
    assert there.fits(world.ann, 100)


def test_a_full_local_domain_takes_no_mail_for_any_user() -> None:
    world = World()
    world.receive("ann@local.example")
    set_quota(world, LOCAL, used(world, world.ann.id))
    reply = rcpt(begun(world, size=100), "bob@local.example")
    assert (reply.code, reply.enhanced) == (452, "4.2.2")
    set_quota(world, LOCAL, 0)
    assert rcpt(begun(world, size=100), "bob@local.example").code == 250


def test_mail_for_a_primary_is_taken_and_not_copied_over_twice_the_quota() -> None:
    world = World()
    world.receive("ray@relay.example")
    set_quota(world, RELAY, used(world, world.ray.id) // 4)
    assert world.receive("ray@relay.example", message=MESSAGE.replace(b"<m1@", b"<m2@")).code == 250
    assert len(world.mailbox(world.ray)) == 1
    assert world.log.skips == ["domain of ray@relay.example"]
    assert len(world.queue()) == 2


def test_it_is_kept_all_the_same_while_the_primary_is_away() -> None:
    world = World()
    world.receive("ray@relay.example")
    set_quota(world, RELAY, 1)
    drive(hold_domain(world.desk, RELAY, reason="test"))
    assert world.receive("ray@relay.example", message=MESSAGE.replace(b"<m1@", b"<m2@")).code == 250
    assert len(world.mailbox(world.ray)) == 2


def test_figures_are_the_fullest_first() -> None:
    world = World()
    world.user("cyd@local.example", quota=10_000)
    world.change_account(world.bob, quota=500)
    world.receive("bob@local.example", "cyd@local.example")
    set_quota(world, LOCAL, 4_000)
    (found,) = quota_use(world.desk, LOCAL)
    assert [user.address.split("@")[0] for user in found.users] == ["bob", "cyd", "ann"]
    assert found.used == 2 * used(world, world.bob.id) and found.promised == 10_500
    assert found.share == found.used / 4_000
    assert found.users[2].share is None

