"""A mirror is a second reader with days of its own; it changes nothing for whose mail it is, and keeps none out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.delivery.outward_world import OutwardWorld
from tests.delivery.relay_world import RelayWorld, accept, lose
from tests.delivery.user_steps import delete
from tests.delivery.world import MESSAGE, World, id_of
from xtramail.directory.mirrors import add_mirror, remove_mirror
from xtramail.directory.users import remove_user
from xtramail.model.address import Address
from xtramail.model.bucket import PERMANENT
from xtramail.model.clock import day_of
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.store import keys, mailboxes, messages, retention, schema, tracking
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Account, encode
from xtramail.wire.smtp.client_events import Stage

ANN, BOB, RAY, BOX = "ann@local.example", "bob@local.example", "ray@relay.example", "box@local.example"
DAY = 86_400.0


@pytest.fixture
def box(world: RelayWorld) -> Account:
    return world.user(BOX)


def mirror(world: World, source: str, into: str = BOX, days: int = 0) -> None:
    drive(add_mirror(world.desk, source, into=into, days=days))


def after(world: World, days: float) -> None:
    """So many days later, and what is over its days is gone."""
    world.clock.advance(days * DAY)
    classes = world.engine.read(keys.STORE, schema.retention_classes)
    for bucket in retention.dead_buckets(world.engine.buckets(), classes, day_of(world.clock.now())):
        drive(retention.move_open_bodies(world.engine, bucket, world.clock.now()))
        world.engine.drop_bucket(bucket, int(world.clock.now() * 1_000_000)).result()


def seen(world: World, account: Account) -> int:
    """How many messages a client sees in INBOX."""

    def look(snap: Snapshot) -> int:
        row = mailboxes.mailbox_by_name(snap, "INBOX")
        assert row is not None
        return sum(one.messages for one in messages.counters(snap, row).values())

    count: int = world.engine.read(keys.user_scope(account.id), look)
    return count


def sent_by(account: Account) -> bytes:
    return MESSAGE.replace(b"zoe@sender.example", account.address.encode(), 1)


def test_an_address_and_a_domain_go_into_one_box_with_seven_days_beside_thirty_and_ninety(
    world: RelayWorld, box: Account
) -> None:
    mirror(world, ANN, days=7)
    mirror(world, "relay.example", days=7)
    world.receive(ANN)
    world.receive(BOB)
    world.receive(RAY)
    assert [len(world.mailbox(one)) for one in (box, world.ann, world.bob, world.ray)] == [2, 1, 1, 1]
    octets = [world.octets(row) for row in world.mailbox(box)]
    assert octets == [world.octets(world.mailbox(one)[0]) for one in (world.ann, world.ray)]
    after(world, 8)
    assert [len(world.mailbox(one)) for one in (box, world.ann, world.bob, world.ray)] == [0, 1, 1, 1]
    for one in (world.ann, world.ray):
        assert world.octets(world.mailbox(one)[0]).endswith(MESSAGE)
    after(world, 23)
    assert [len(world.mailbox(one)) for one in (world.ann, world.ray)] == [0, 1]


def test_a_box_with_more_days_keeps_its_octets_when_the_users_copy_is_gone(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN, days=60)
    world.receive(ANN)
    after(world, 31)
    assert world.mailbox(world.ann) == []
    (kept,) = world.mailbox(box)
    assert world.octets(kept).endswith(MESSAGE)
    after(world, 30)
    assert world.mailbox(box) == []


def test_without_days_of_its_own_a_copy_shares_the_body(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN)
    world.receive(ANN)
    (own,), (copy,) = world.mailbox(world.ann), world.mailbox(box)
    assert own.body == copy.body


def test_what_is_deleted_in_the_box_leaves_the_users_copy_and_the_give_back_alone(
    world: RelayWorld, box: Account
) -> None:
    mirror(world, RAY, days=7)
    world.courier.script = lose(Stage.CONNECT)
    number = id_of(world.receive(RAY))
    world.deliver(world.only())
    delete(world, box)
    assert (seen(world, box), seen(world, world.ray)) == (0, 1)
    world.courier.script = accept
    world.clock.advance(60)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.DELIVERED}


@pytest.mark.parametrize(("into", "days"), [(BOX, 7), (BOX, 0), ("", 7), ("", 200)])
def test_what_the_user_deletes_is_not_given_back_and_stays_in_the_box(
    world: RelayWorld, box: Account, into: str, days: int
) -> None:
    mirror(world, RAY, into=into, days=days)
    world.courier.script = lose(Stage.CONNECT)
    number = id_of(world.receive(RAY, "staff@relay.example"))
    for entry in world.queue():
        world.deliver(entry)
    delete(world, world.ray)
    world.courier.script = accept
    world.clock.advance(60)
    for entry in world.queue():
        world.deliver(entry)
    assert world.fates(number) == {RAY: Fate.SUPPRESSED, "staff@relay.example": Fate.DELIVERED}
    assert seen(world, box) == bool(into) and world.balanced()


def test_what_a_mirrored_address_submits_is_there_once_and_its_sent_copy_too(world: RelayWorld, box: Account) -> None:
    mirror(world, "local.example", days=7)
    world.submit(world.ann, BOB, "far@away.example", message=sent_by(world.ann))
    assert [len(world.mailbox(box)), len(world.mailbox(world.ann, "Sent")), len(world.mailbox(world.bob))] == [1, 1, 1]


def test_a_stranger_who_says_he_is_mirrored_is_not(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN)
    world.receive(BOB, sender=ANN)
    assert world.mailbox(box) == []


def test_the_box_itself_gets_what_is_for_it_once_for_the_longer_days(world: RelayWorld, box: Account) -> None:
    mirror(world, "local.example", days=60)
    world.receive(BOX, ANN)
    world.submit(box, ANN, message=sent_by(box))
    assert len(world.mailbox(box)) == 1 and len(world.mailbox(box, "Sent")) == 1
    after(world, 31)
    assert len(world.mailbox(box)) == 1


def test_a_mirror_is_not_mirrored_again(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN)
    mirror(world, BOX, into=BOB)
    world.receive(ANN)
    assert [len(world.mailbox(one)) for one in (box, world.bob)] == [1, 0]


def test_two_mirrors_into_one_box_make_one_copy_with_the_most_days(world: RelayWorld, box: Account) -> None:
    mirror(world, "local.example", days=3)
    mirror(world, ANN, days=9)
    world.receive(ANN)
    assert len(world.mailbox(box)) == 1
    after(world, 5)
    assert len(world.mailbox(box)) == 1


def test_a_full_box_is_left_out_and_the_mail_accepted(world: RelayWorld, box: Account) -> None:
    world.change_account(box, quota=1)
    mirror(world, ANN)
    number = id_of(world.receive(ANN))
    assert world.mailbox(box) == [] and len(world.mailbox(world.ann)) == 1
    (event,) = world.events(number)
    assert (event.fields["stored"], event.fields["skipped"]) == (f"{ANN} INBOX", BOX)
    assert world.log.skips == [BOX]


@pytest.mark.parametrize("days", [0, 7])
def test_a_box_that_cannot_be_written_is_left_out_and_the_mail_accepted(
    world: RelayWorld, box: Account, days: int
) -> None:
    mirror(world, ANN, days=days)

    def use_up(txn: Txn) -> None:
        row = mailboxes.mailbox_by_name(txn, "INBOX")
        assert row is not None
        txn.put(PERMANENT, keys.mailbox(row.id), encode(replace(row, uidnext=0xFFFF_FFFF)))

    world.engine.transact(keys.user_scope(box.id), use_up).result()
    number = id_of(world.receive(ANN))
    assert (seen(world, world.ann), seen(world, box)) == (1, 0)
    assert world.octets(world.mailbox(world.ann)[0]).endswith(MESSAGE)
    assert world.fates(number) == {ANN: Fate.DELIVERED} and world.log.skips == [BOX]


def test_a_box_that_was_removed_is_left_out(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN)
    drive(remove_user(world.desk, Address.parse(BOX)))
    world.receive(ANN)
    assert len(world.mailbox(world.ann)) == 1 and world.log.skips == []


def test_one_address_may_keep_more_days_than_its_domain_and_its_mail_is_given_back_all_the_same(
    world: RelayWorld,
) -> None:
    una = world.user("una@relay.example")
    mirror(world, RAY, into="", days=200)
    number = id_of(world.receive(RAY, "una@relay.example"))
    assert len(world.queue()) == 2 and len({entry.body.bucket for entry in world.queue()}) == 2
    for entry in world.queue():
        world.deliver(entry)
    assert set(world.fates(number).values()) == {Fate.DELIVERED} and world.balanced()
    after(world, 91)
    assert [len(world.mailbox(world.ray)), len(world.mailbox(una))] == [1, 0]


def test_without_continuity_only_who_is_mirrored_has_copies(world: RelayWorld) -> None:
    una = world.user("una@relay.example")
    world.change_domain("relay.example", continuity=False)
    mirror(world, RAY, into="")
    world.receive(RAY, "una@relay.example")
    world.submit(world.ray, ANN, message=sent_by(world.ray))
    assert [len(world.mailbox(world.ray)), len(world.mailbox(world.ray, "Sent")), len(world.mailbox(una))] == [1, 1, 0]


def test_what_is_taken_back_is_mirrored_no_more_and_keeps_what_it_has(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN, days=7)
    world.receive(ANN)
    drive(remove_mirror(world.desk, ANN))
    world.receive(ANN)
    assert len(world.mailbox(box)) == 1
    after(world, 8)
    assert world.mailbox(box) == []


def test_who_finds_the_box_in_the_story_of_a_message(world: RelayWorld, box: Account) -> None:
    mirror(world, ANN, days=7)
    number = id_of(world.receive(ANN))
    events = world.engine.read(keys.LOG, lambda snap: tracking.events_of(snap, number))
    assert events[0].fields["stored"] == f"{ANN} INBOX, {BOX} INBOX"


@pytest.mark.parametrize("into", [BOX, ""])
def test_mail_that_the_primary_sends_through_us_is_mirrored(into: str) -> None:
    world = OutwardWorld()
    box = world.user(BOX)
    world.change_domain("relay.example", continuity=False)
    mirror(world, RAY, into=into, days=7)
    world.hand_over("victim@outside.example")
    assert seen(world, box) == bool(into)
    assert len(world.mailbox(world.ray, "Sent")) == (not into)
