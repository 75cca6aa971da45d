"""What of a message's story somebody may see: all of it, his own part, or nothing, not even that it is there."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld
from tests.delivery.test_submission import DRAFT
from tests.delivery.world import id_of
from tests.desks import domain_admin, tenant_admin, user
from xtramail.delivery.following import follow, story_of
from xtramail.delivery.story import Story
from xtramail.directory.aliases import add_alias
from xtramail.directory.desk import Desk
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.domains import add_domain, remove_domain
from xtramail.mailbox.stored import copies_of
from xtramail.model.bucket import CLASS_LOG, bucket_at
from xtramail.model.errors import NoSuchMessage, NotPermitted
from xtramail.model.ids import id_text
from xtramail.model.pending import drive
from xtramail.store import keys, tracking
from xtramail.store.engine import Txn
from xtramail.store.records import LogEvent
from xtramail.store.tracking import Query

ANN, BOB, RAY = "ann@local.example", "bob@local.example", "ray@relay.example"
FAR, ZOE = "far@away.example", "zoe@sender.example"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def admin(world: RelayWorld, *names: str) -> Desk:
    return domain_admin(world.engine, world.clock, *names)


def hidden(desk: Desk, message_id: int) -> None:
    """Refused with the words for what there is not, and in no list."""
    gone = message_id + 1_000_000
    with pytest.raises(NoSuchMessage) as told:
        story_of(desk, message_id)
    with pytest.raises(NoSuchMessage) as bare:
        story_of(desk, gone)
    assert told.value.text.replace(id_text(message_id), id_text(gone)) == bare.value.text
    assert follow(desk, Query(), ids=[message_id], most=9) == follow(desk, Query(), ids=[gone], most=9)
    assert all(story.message_id != message_id for story in follow(desk, Query(), most=99).stories)
    assert copies_of(desk, message_id) == []


def told(story: Story) -> str:
    """Everything in it."""
    return repr((story.events, story.fates, story.waiting))


def test_of_mail_for_several_domains_each_admin_sees_his_own_part(world: RelayWorld) -> None:
    number = id_of(world.receive(BOB, RAY))
    whole = story_of(world.desk, number)
    assert set(whole.fates) == {BOB, RAY} and "accepted for 2 recipients" in told(whole)
    local, relay = (story_of(admin(world, name), number) for name in ("local.example", "relay.example"))
    assert RAY not in told(local) and "relay.example" not in told(local) and "for 2" not in told(local)
    assert local.events[0].kind == "accepted" and local.events[0].fields["stored"] == f"{BOB} INBOX"
    assert set(local.fates) == {BOB} and local.waiting == ()
    assert BOB not in told(relay) and "for 2" not in told(relay)
    assert set(relay.fates) == {RAY} and len(relay.waiting) == 1
    assert story_of(admin(world, "local.example", "relay.example"), number) == whole
    assert [one.account.address for one in copies_of(world.desk, number)] == [BOB, RAY]
    assert [one.account.address for one in copies_of(admin(world, "local.example"), number)] == [BOB]
    hidden(admin(world, "ask.example"), number)


def test_a_forged_sender_shows_nothing_to_whom_it_names(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY, sender=ANN))
    assert story_of(admin(world, "relay.example"), number).fates
    hidden(admin(world, "local.example"), number)


def test_who_sent_sees_what_became_of_it_and_who_got_it_sees_no_more_than_that(world: RelayWorld) -> None:
    number = id_of(world.submit(world.ann, RAY, FAR, message=DRAFT))
    mine, theirs = (story_of(admin(world, name), number) for name in ("local.example", "relay.example"))
    accepted = mine.events[0]
    assert set(accepted.recipients) == {RAY, FAR} and accepted.fields["account"] == ANN and accepted.fields["peer"]
    assert mine.fates[RAY].fate == world.ledger(number)[RAY].fate
    assert mine.fates[RAY].destination == "" and mine.fates[FAR].destination == "away.example"
    assert RAY not in accepted.fields["stored"] and f"{ANN} Sent" in accepted.fields["stored"]
    assert [one.entry.destination for one in mine.waiting] == ["away.example"]
    assert FAR not in told(theirs) and "Sent" not in told(theirs)
    assert not {"account", "peer", "helo"} & set(theirs.events[0].fields)
    assert theirs.events[0].sender == ANN, "he was told that"
    assert len(theirs.waiting) == 1
    hidden(admin(world, "any.example"), number)
    for entry in world.queue():
        world.deliver(entry)
    mine, theirs = (story_of(admin(world, name), number) for name in ("local.example", "relay.example"))
    attempts = [event for event in mine.events if event.kind == "attempt"]
    assert [event.recipients for event in attempts] == [(FAR,)] and "taken" in attempts[0].text
    ends = {event.recipients: event.text for event in mine.events if event.kind == "state"}
    assert ends[RAY,] == "delivered" and ends[FAR,] == "delivered: 250 2.0.0 taken"
    assert [event.recipients for event in theirs.events if event.kind == "attempt"] == [(RAY,)]
    assert "primary.example" in told(theirs) and "primary.example" not in told(mine)


def test_whom_his_own_aliases_sent_it_on_to_is_his_to_know_and_others_are_not(world: RelayWorld) -> None:
    drive(add_domain(world.desk, "third.example", recipients="listed"))
    drive(add_alias(world.desk, "team@local.example", [BOB, FAR]))
    drive(add_alias(world.desk, "crew@third.example", ["other@elsewhere.example"]))
    number = id_of(world.receive("team@local.example", "crew@third.example"))
    assert {FAR, "other@elsewhere.example"} <= {one.address for e in world.queue() for one in e.recipients}
    local = story_of(admin(world, "local.example"), number)
    assert FAR in local.fates and "elsewhere.example" not in told(local) and "crew@" not in told(local)
    third = story_of(admin(world, "third.example"), number)
    assert FAR not in told(third) and BOB not in told(third) and "other@elsewhere.example" in third.fates


def test_another_name_of_a_domain_is_that_domains(world: RelayWorld) -> None:
    drive(add_domain_alias(world.desk, "other.example", "local.example"))
    number = id_of(world.receive("bob@Other.example"))
    assert story_of(admin(world, "local.example"), number).events[0].fields["stored"] == f"{BOB} INBOX"


def test_who_has_a_domain_now_learns_nothing_of_who_had_it_before(world: RelayWorld) -> None:
    drive(add_domain(world.desk, "third.example", recipients="listed"))
    world.user("tom@third.example")
    before = id_of(world.receive("tom@third.example"))
    assert story_of(admin(world, "third.example"), before).fates
    drive(remove_domain(world.desk, "third.example"))
    world.clock.advance(60)
    drive(add_domain(world.desk, "third.example", recipients="listed"))
    world.user("tom@third.example")
    world.clock.advance(60)
    hidden(admin(world, "third.example"), before)
    assert story_of(admin(world, "third.example"), id_of(world.receive("tom@third.example"))).fates
    hidden(tenant_admin(world.engine, world.clock, "acme"), before)


def test_the_newest_of_his_are_found_behind_any_number_of_others(world: RelayWorld) -> None:
    mine = [id_of(world.receive(BOB)) for _ in range(3)]
    for _ in range(20):
        world.receive(RAY)
    local = admin(world, "local.example")
    found = follow(local, Query(), most=2)
    assert [story.message_id for story in found.stories] == mine[1:] and found.more
    found = follow(local, Query(addresses=(ZOE,)), most=3)
    assert [story.message_id for story in found.stories] == mine and not found.more
    assert follow(local, Query(addresses=(RAY,)), most=3).stories == ()
    assert [one.message_id for one in follow(world.desk, Query(addresses=(BOB,)), most=9).stories] == mine
    assert len(follow(world.desk, Query(), most=5).stories) == 5


def test_it_is_looked_for_page_by_page(world: RelayWorld) -> None:
    world.clock.advance(60)
    ids = [world.ids.next() for _ in range(1_100)]
    at, owner = world.clock.now(), {ids[0]: BOB, ids[1]: BOB, ids[700]: BOB}

    def write(txn: Txn) -> None:
        for number in ids:
            some = (owner.get(number, RAY),)
            event = LogEvent(at=at, message_id=number, kind="accepted", sender=ZOE, recipients=some)
            tracking.record(txn, bucket_at(at, CLASS_LOG), event)

    world.engine.transact(keys.LOG, write).result()
    local = admin(world, "local.example")
    assert [one.message_id for one in follow(local, Query(), most=9).stories] == [ids[0], ids[1], ids[700]]
    found = follow(local, Query(low=ids[1], high=ids[700]), most=9)
    assert [one.message_id for one in found.stories] == [ids[1]]


def test_mail_is_followed_by_admins(world: RelayWorld) -> None:
    number = id_of(world.receive(BOB))
    himself = user(world.engine, world.clock, BOB)
    for ask in (
        lambda: story_of(himself, number),
        lambda: follow(himself, Query(), most=1),
        lambda: copies_of(himself, number),
    ):
        with pytest.raises(NotPermitted):
            ask()
