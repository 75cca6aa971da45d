"""Mail that comes while a primary is away: what is kept, for whom, and where it goes afterwards."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld
from tests.delivery.world import MESSAGE, PEER, id_of, rcpt
from xtramail.directory.primaries import step
from xtramail.model.address import Address
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive
from xtramail.model.primary import Event

RAY, UNA = "ray@relay.example", "una@relay.example"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def to(world: RelayWorld, *events: Event, domain: str = "relay.example") -> None:
    for event in events:
        drive(step(world.engine, domain, event, cause="shown", now=world.clock.now()))


def test_mail_between_colleagues_is_there_at_once_and_queued_for_the_primary(world: RelayWorld) -> None:
    una = world.user(UNA)
    world.change_domain("relay.example", settings={"sent-back": "never"})
    to(world, Event.FAILS)
    message = MESSAGE.replace(b"zoe@sender.example", b"ray@relay.example")
    number = id_of(world.submit(world.ray, UNA, message=message))
    assert len(world.mailbox(una)) == len(world.mailbox(world.ray, "Sent")) == 1
    world.ticks(times=3, seconds=60)
    assert world.fates(number) == {UNA: Fate.HELD} and world.courier.calls == []
    to(world, Event.ANSWERS)
    world.ticks(times=3, seconds=60)
    assert world.fates(number) == {UNA: Fate.DELIVERED} and world.balanced()
    assert [address for address, _, _ in world.courier.taken] == [UNA]
    assert len(world.mailbox(una)) == 1


@pytest.mark.parametrize(
    ("events", "kept"),
    [((), 2), ((Event.FAULT,), 5), ((Event.FAILS,), 5), ((Event.HOLD,), 5), ((Event.FAILS, Event.ANSWERS), 5)],
    ids=["up", "suspect", "down", "held", "recovering"],
)
def test_copies_have_no_limit_while_the_primary_is_not_up(
    world: RelayWorld, events: tuple[Event, ...], kept: int
) -> None:
    world.receive(RAY)
    size = world.mailbox(world.ray)[0].size
    world.change_account(world.ray, quota=size)
    to(world, *events)
    for _ in range(4):
        world.receive(RAY)
    assert len(world.mailbox(world.ray)) == kept
    assert len(world.log.skips) == 5 - kept
    assert len(world.queue()) == 5


@pytest.mark.parametrize("event", [Event.FAILS, Event.HOLD])
def test_what_was_learned_is_frozen_while_the_primary_is_away_and_the_rest_is_asked_to_wait(
    world: RelayWorld, event: Event
) -> None:
    known, unknown, denied = "dee@ask.example", "eve@ask.example", "ned@ask.example"
    world.primary.knows["dee"] = Reply.of(250, "2.1.5", "ok")
    world.primary.knows["ned"] = Reply.of(550, "5.1.1", "who?")
    assert id_of(world.receive(known))
    assert rcpt(world.intake.begin(PEER), denied).code == 550
    to(world, event, domain="ask.example")
    assert rcpt(world.intake.begin(PEER), denied).code == 450, "its no may have been the first sign of the outage"
    world.primary.knows = {"dee": Reply.of(550, "5.1.1", "who?")}
    world.clock.advance(60 * 86_400.0)
    assert rcpt(world.intake.begin(PEER), known).code == 250
    assert rcpt(world.intake.begin(PEER), unknown).code == 450
    before = world.directory.resolve(Address.parse(known)).accounts
    to(world, Event.ANSWERS if event is Event.FAILS else Event.RELEASE, Event.DRAINED, domain="ask.example")
    assert rcpt(world.intake.begin(PEER), unknown).code == 550
    assert rcpt(world.intake.begin(PEER), known).code == 250, "nobody is deleted because a primary forgot him"
    assert world.directory.resolve(Address.parse(known)).accounts == before != ()
