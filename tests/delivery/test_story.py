"""A story tells all that happened to a message, and its last lines are what really became of it."""

from __future__ import annotations

from tests.delivery.relay_world import HOLD, RelayWorld, accept, lose, refuse
from tests.delivery.user_steps import delete
from tests.delivery.world import MESSAGE, id_of
from xtramail.delivery.story import STATE, Stories, Story
from xtramail.directory.holding import hold_domain, release_domain
from xtramail.directory.primaries import step
from xtramail.directory.route_words import read
from xtramail.directory.routes import add_route
from xtramail.model.bucket import CLASS_LOG, bucket_class
from xtramail.model.clock import utc_text
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.model.primary import Event
from xtramail.store import keys, outbound
from xtramail.wire.smtp.client_events import Stage

ANN, RAY, UNA = "ann@local.example", "ray@relay.example", "una@relay.example"
DAY = 86_400.0


def story(world: RelayWorld, number: int) -> Story:
    return Stories(world.engine, world.clock.now()).of(number)


def lines(world: RelayWorld, number: int) -> list[str]:
    """Kind and text of everything but what every message begins with."""
    return [f"{event.kind}: {event.text}" for event in story(world, number).events[1:]]


def waiting(world: RelayWorld, *recipients: str) -> int:
    """A message of which the log says that it was deferred, a minute ago."""
    world.courier.script = refuse(Stage.RCPT, 450, "4.2.1", "later")
    number = id_of(world.receive(*recipients))
    world.deliver(world.only())
    assert lines(world, number)[0] == "attempt: deferred: 450 4.2.1 later"
    world.clock.advance(60)
    return number


def test_it_begins_with_where_a_message_came_from_how_and_where_its_copies_lie(world: RelayWorld) -> None:
    world.change_account(world.bob, quota=1)
    world.change_account(world.ray, quota=1)
    first = story(world, id_of(world.receive(ANN, RAY))).events[0]
    assert (first.kind, first.sender, first.recipients) == ("accepted", "zoe@sender.example", (ANN, RAY))
    said = {name: first.fields[name] for name in ("peer", "helo", "with", "hops", "subject", "stored", "skipped")}
    assert said == {
        "peer": "192.0.2.7",
        "helo": "mail.sender.example",
        "with": "ESMTP",
        "hops": "0",
        "subject": "Re: plans",
        "stored": f"{ANN} INBOX",
        "skipped": RAY,
    }


def test_a_submitted_message_names_the_sent_of_its_sender(world: RelayWorld) -> None:
    message = MESSAGE.replace(b"zoe@sender.example", b"ann@local.example", 1)
    number = id_of(world.submit(world.ann, "bob@local.example", message=message))
    assert story(world, number).events[0].fields["stored"] == f"bob@local.example INBOX, {ANN} Sent"


def test_three_hundred_recipients_are_told_in_lots_and_each_copy_once(world: RelayWorld) -> None:
    addresses = [f"u{number}@local.example" for number in range(250)]
    for address in addresses:
        world.user(address)
    found = story(world, id_of(world.receive(*addresses)))
    accepted = [event for event in found.events if event.kind == "accepted"]
    stored = ", ".join(event.fields["stored"] for event in accepted).split(", ")
    assert len(accepted) == 3 and sorted(stored) == sorted(f"{address} INBOX" for address in addresses)
    assert {one for event in found.events if event.kind == STATE for one in event.recipients} == set(addresses)


def test_mail_that_ends_here_is_delivered_to_the_mailbox(world: RelayWorld) -> None:
    assert lines(world, id_of(world.receive(ANN))) == ["state: delivered: delivered to the mailbox"]


def test_after_a_deferral_its_last_line_is_the_delivery(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    world.courier.script = accept
    world.deliver(world.only())
    assert lines(world, number)[1:] == ["attempt: delivered: 250 2.0.0 taken", "state: delivered: 250 2.0.0 taken"]
    assert story(world, number).held(RAY) == ""


def test_one_that_is_refused_ends_bounced_with_the_hosts_words(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    world.courier.script = refuse(Stage.RCPT, 550, "5.2.1", "no more")
    world.deliver(world.only())
    assert lines(world, number)[-1] == "state: bounced: 550 5.2.1 no more"


def test_one_that_is_given_up_ends_bounced(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    world.clock.advance(HOLD)
    drive(world.relay.expire(world.only().id))
    assert lines(world, number)[-1] == "state: bounced: given up after 14 days; last answer: 450 4.2.1 later"


def test_one_that_its_user_deleted_ends_suppressed_with_who_and_when(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    delete(world, world.ray)
    world.deliver(world.only())
    assert lines(world, number)[-1].startswith(f"state: suppressed: deleted by {RAY} at 2026-01-01T00:01:00Z")


def test_one_whose_answer_was_lost_says_so_until_it_is_known(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    world.courier.script = lose(Stage.FINAL)
    world.deliver(world.only())
    assert lines(world, number)[-1].startswith("state: unconfirmed: next attempt at")
    world.clock.advance(600)
    world.courier.script = accept
    world.deliver(world.only())
    assert lines(world, number)[-1].startswith("state: delivered: 250 2.0.0 taken; possible duplicate")


def test_one_that_was_being_handed_over_says_so(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    world.engine.transact(
        keys.QUEUE, lambda txn: outbound.lease(txn, world.only().id, world.clock.now(), 60.0, "me")
    ).result()
    assert lines(world, number)[-1] == "state: held: being handed over now"


def test_a_refusal_that_waits_for_a_person_is_held_with_the_reason(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY)
    world.courier.script = refuse(Stage.RCPT, 550, "5.1.1", "who?")
    number = id_of(world.receive(RAY))
    world.deliver(world.only())
    held = "444 Redirect because: refused, though known since 2026-01-01"
    assert lines(world, number)[-1] == f"state: held: {held}"
    assert story(world, number).held(RAY) == held


def test_while_its_domain_is_held_it_says_why_and_afterwards_when(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, "relay.example", reason="moving house"))
    world.clock.advance(10)
    number = id_of(world.receive(RAY, ANN))
    held = "444 Redirect because: moving house"
    assert lines(world, number) == [
        f"held: {held}",
        "state: delivered: delivered to the mailbox",
        f"state: held: {held}",
    ]
    assert (story(world, number).held(RAY), story(world, number).held(ANN)) == (held, "")
    world.clock.advance(3_600)
    drive(release_domain(world.desk, "relay.example"))
    assert lines(world, number)[-1] == "state: held: in its turn, relay.example is given back what waited"
    world.ticks(times=3, seconds=60)
    assert lines(world, number)[1:] == [
        "let go: relay.example: released",
        "attempt: delivered: 250 2.0.0 taken",
        "state: delivered: delivered to the mailbox",
        "state: delivered: 250 2.0.0 taken",
    ]
    back = [event for event in story(world, number).events if event.kind == "let go"]
    assert [event.fields["by"] for event in back] == ["olga"]
    drive(hold_domain(world.desk, "relay.example", reason="again"))
    assert "again" not in "".join(lines(world, number))


def test_an_outage_that_begins_while_it_waits_is_told_in_its_place(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    drive(step(world.engine, "relay.example", Event.FAILS, cause="connection refused", now=world.clock.now()))
    assert lines(world, number)[1:] == [
        "held: 444 Redirect because: connection refused",
        "state: held: 444 Redirect because: connection refused",
    ]


def test_what_waits_for_its_next_attempt_says_when_and_what_was_answered(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    due = utc_text(world.only().due)
    world.clock.advance(-60)
    assert lines(world, number)[-1] == f"state: held: next attempt at {due}; last answer: 450 4.2.1 later"


def test_one_for_an_address_that_lives_elsewhere_is_told_whatever_its_letters(world: RelayWorld) -> None:
    zoe = "zo\u00eb@relay.example"
    drive(add_route(world.desk, "relay.example", read("elsewhere.example", user=zoe)))
    number = id_of(world.receive(zoe))
    world.deliver(world.only())
    assert [event.kind for event in story(world, number).events] == ["accepted", "attempt", STATE]


def test_recipients_of_one_message_end_each_as_they_did(world: RelayWorld) -> None:
    world.user(UNA)
    number = waiting(world, RAY, UNA)
    delete(world, world.ray)
    world.courier.script = accept
    world.deliver(world.only())
    ends = {event.recipients: event.fields["fate"] for event in story(world, number).events if event.kind == STATE}
    assert ends == {(RAY,): Fate.SUPPRESSED, (UNA,): Fate.DELIVERED}


def test_a_message_whose_days_are_over_ends_as_the_log_says(world: RelayWorld) -> None:
    number = waiting(world, RAY, ANN)
    world.courier.script = accept
    world.deliver(world.only())
    for bucket in world.engine.buckets():
        if bucket_class(bucket) != CLASS_LOG:
            world.engine.drop_bucket(bucket, 0).result()
    found = story(world, number)
    assert found.fates == {}
    ends = {event.recipients: event.text for event in found.events if event.kind == STATE}
    assert ends == {(ANN,): "delivered to the mailbox", (RAY,): "delivered: 250 2.0.0 taken"}


def test_of_what_nobody_knows_there_is_no_story(world: RelayWorld) -> None:
    assert story(world, 4711).events == ()
