"""Mail whose final dot was never answered: looked for at the primary, else sent once more, else a person decides."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import HOLD, Call, RelayWorld, accept, lose, refuse
from tests.delivery.user_steps import delete
from tests.delivery.world import MESSAGE, id_of
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.net.adapter import start
from xtramail.store import alerts, keys, outbound
from xtramail.wire.smtp.client_events import Stage

RAY, UNA = "ray@relay.example", "una@relay.example"
WITHOUT_ID = MESSAGE.replace(b"Message-ID: <m1@sender.example>\r\n", b"")


def unconfirmed(world: RelayWorld, *recipients: str, message: bytes = MESSAGE) -> int:
    """A message whose dot was not answered a minute ago."""
    number = id_of(world.receive(*recipients, message=message))
    world.courier.script = lose(Stage.FINAL)
    world.deliver(world.only())
    assert set(world.fates(number).values()) == {Fate.UNCONFIRMED}
    world.courier.script = accept
    world.clock.advance(60)
    return number


def held_kinds(world: RelayWorld) -> list[str]:
    return [row.kind for row in world.engine.read(keys.ALERTS, alerts.alerts)]


def test_what_is_at_the_primary_is_delivered_and_not_sent_again(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY)
    world.primary_mail.there = {(RAY, "<m1@sender.example>")}
    assert world.deliver(world.only()) is None
    assert len(world.courier.calls) == 1 and world.queue() == []
    row = world.ledger(number)[RAY]
    assert row.fate == Fate.DELIVERED and row.reply.startswith("found in the mailbox at the primary")
    assert [fate for fate, _, _ in row.history] == [Fate.HELD, Fate.ATTEMPTED, Fate.UNCONFIRMED]
    assert world.balanced() and "duplicate" not in row.reply
    assert "delivered" in {event.kind for event in world.events(number)}


def test_what_is_not_there_is_sent_again_and_is_no_duplicate(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY)
    world.primary_mail.there = set()
    world.deliver(world.only())
    row = world.ledger(number)[RAY]
    assert (row.fate, row.reply) == (Fate.DELIVERED, "250 2.0.0 taken")
    assert any("not in the mailbox" in reply for _, _, reply in row.history)
    assert len(world.courier.calls) == 2 and world.balanced()


def test_what_nobody_can_know_is_sent_once_more_and_marked(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY)
    world.deliver(world.only())
    row = world.ledger(number)[RAY]
    assert row.fate == Fate.DELIVERED and row.reply.startswith("250 2.0.0 taken; possible duplicate")
    assert any("possible duplicate" in event.text for event in world.events(number))
    assert world.primary_mail.asked == [(RAY, "<m1@sender.example>")]


def test_a_message_without_message_id_is_looked_for_by_nobody(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY, message=WITHOUT_ID)
    world.primary_mail.there = set()
    world.deliver(world.only())
    assert world.primary_mail.asked == []
    assert "possible duplicate" in world.ledger(number)[RAY].reply


def test_after_the_second_lost_answer_a_person_decides(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY)
    world.courier.script = lose(Stage.FINAL)
    world.deliver(world.only())
    assert not world.only().held
    assert world.deliver(world.only()) is None
    entry = world.only()
    assert entry.held and "lost 2 times" in entry.hold_reason and entry.lease_owner == ""
    assert len(world.courier.calls) == 2 and world.fates(number) == {RAY: Fate.UNCONFIRMED}
    assert held_kinds(world) == ["message-unconfirmed"]
    assert world.attempts[-1].parked == {RAY: entry.hold_reason}
    assert world.deliver(entry) is None
    assert len(world.attempts) == 3, "it waits, and nothing more is said of it"
    # Let go, it is sent again as if for the first time.
    world.engine.transact(keys.QUEUE, lambda txn: outbound.release(txn, entry.id, world.clock.now())).result()
    world.courier.script = accept
    world.deliver(entry)
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.balanced()


def test_an_answer_that_is_no_counts_as_no_loss(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY)
    for script in (refuse(Stage.FINAL, 451), refuse(Stage.RCPT, 450), lose(Stage.DATA), lose(Stage.CONNECT)):
        world.courier.script = script
        world.deliver(world.only())
    assert not world.only().held and world.fates(number) == {RAY: Fate.UNCONFIRMED}


def test_where_it_is_known_not_to_be_there_it_goes_as_often_as_it_takes(world: RelayWorld) -> None:
    unconfirmed(world, RAY)
    world.primary_mail.there = set()
    world.courier.script = lose(Stage.FINAL)
    for _ in range(5):
        world.deliver(world.only())
    assert not world.only().held and len(world.courier.calls) == 6


def test_a_server_that_died_in_the_attempt_has_lost_the_answer(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))

    def die(call: Call) -> None:
        call.before_dot((0,)).result()

    world.courier.script = die
    for _ in range(2):
        start(world.relay.deliver(world.only().id))
        assert world.fates(number) == {RAY: Fate.ATTEMPTED}
        world.start()
    assert world.deliver(world.only()) is None
    assert world.only().held and len(world.courier.calls) == 2 and world.balanced()


def test_others_of_the_same_message_go_on(world: RelayWorld) -> None:
    world.user(UNA)
    number = unconfirmed(world, RAY, UNA)
    entry = world.only()

    def ray_was_lost_twice(txn: Any) -> None:
        ray, una = entry.recipients
        outbound.update(txn, replace(entry, recipients=(replace(ray, lost=2), una)))

    world.engine.transact(keys.QUEUE, ray_was_lost_twice).result()
    world.deliver(entry)
    held = world.only()
    assert held.held and [one.address for one in held.recipients] == [RAY] and held.message_id == number
    assert world.fates(number) == {RAY: Fate.UNCONFIRMED, UNA: Fate.DELIVERED}
    assert world.courier.calls[-1].recipients == [UNA] and world.balanced()


def test_what_may_be_there_and_was_deleted_here_waits_for_a_person(world: RelayWorld) -> None:
    number = unconfirmed(world, RAY)
    delete(world, world.ray)
    assert world.deliver(world.only()) is None
    assert world.only().held and "was deleted by ray@relay.example" in world.only().hold_reason
    assert world.fates(number) == {RAY: Fate.UNCONFIRMED} and len(world.courier.calls) == 1
    world.clock.advance(HOLD)
    assert drive(world.relay.expire(world.only().id)) is None
    row = world.ledger(number)[RAY]
    assert row.fate == Fate.SUPPRESSED and "the primary may have it" in row.reply and world.balanced()


@pytest.mark.parametrize(("there", "fate"), [(True, Fate.DELIVERED), (False, Fate.SUPPRESSED)])
def test_what_was_deleted_here_is_settled_by_a_look_at_the_primary(world: RelayWorld, there: bool, fate: Fate) -> None:
    number = unconfirmed(world, RAY)
    delete(world, world.ray)
    world.primary_mail.there = {(RAY, "<m1@sender.example>")} if there else set()
    assert world.deliver(world.only()) is None
    assert world.fates(number) == {RAY: fate} and world.queue() == [] and len(world.courier.calls) == 1


def test_a_look_that_cannot_be_written_is_made_again() -> None:
    world = RelayWorld()
    number = unconfirmed(world, RAY)
    world.primary_mail.there = {(RAY, "<m1@sender.example>")}
    transact = world.engine.transact

    def then_full(*args: Any) -> Any:
        world.engine.transact = transact  # type: ignore[method-assign]
        leased = transact(*args)
        world.engine.fail_next(StoreFull())
        return leased

    world.engine.transact = then_full  # type: ignore[method-assign]
    with pytest.raises(StoreFull):
        world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.UNCONFIRMED} and len(world.courier.calls) == 1
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.DELIVERED} and len(world.courier.calls) == 1 and world.balanced()


def test_who_asked_for_a_report_gets_it_of_what_was_found_too(world: RelayWorld) -> None:
    message = MESSAGE.replace(b"zoe@sender.example", b"ann@local.example", 1)
    world.change_domain("local.example", settings={"sent-back": "never"})
    world.submit(world.ann, RAY, message=message)
    entry = world.only()
    asked = tuple(replace(one, notify="SUCCESS") for one in entry.recipients)
    world.engine.transact(
        keys.QUEUE, lambda txn: outbound.update(txn, replace(entry, recipients=asked))
    ).result()
    world.courier.script = lose(Stage.FINAL)
    world.deliver(entry)
    world.primary_mail.there = {(RAY, entry.header_message_id)}
    world.clock.advance(60)
    world.deliver(entry)
    assert len(world.mailbox(world.ann)) == 1 and world.balanced()


def test_mail_to_the_world_is_tried_until_somebody_answers(world: RelayWorld) -> None:
    world.change_domain("local.example", settings={"sent-back": "never"})
    number = id_of(
        world.submit(world.ann, "zoe@sender.example", message=MESSAGE.replace(b"zoe@sender", b"ann@local", 1))
    )
    world.courier.script = lose(Stage.FINAL)
    for _ in range(4):
        world.deliver(world.only())
    assert not world.only().held and world.primary_mail.asked == []
    world.courier.script = accept
    world.deliver(world.only())
    assert "possible duplicate" in world.ledger(number)["zoe@sender.example"].reply
