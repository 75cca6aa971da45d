"""What users deleted before it could be given back is not given back; what they filed, moved or put back is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.relay_world import HOLD, RelayWorld, accept, lose, refuse
from tests.delivery.user_steps import box, change, delete, move, restore
from tests.delivery.world import MESSAGE, id_of
from xtramail.directory.aliases import add_alias
from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.store import keys, messages, outbound
from xtramail.store.engine import Txn
from xtramail.wire.smtp.client_events import Stage

RAY, UNA = "ray@relay.example", "una@relay.example"


def waiting(world: RelayWorld, *recipients: str, message: bytes = MESSAGE) -> int:
    """A message that has waited for a minute."""
    world.courier.script = lose(Stage.CONNECT)
    number = id_of(world.receive(*recipients, message=message))
    world.deliver(world.only())
    world.courier.script = refuse(Stage.RCPT, 450)
    world.courier.calls.clear()
    world.clock.advance(60)
    return number


def test_what_its_user_deleted_is_suppressed_with_his_name_and_the_time(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    delete(world, world.ray)
    world.clock.advance(3_600)
    assert world.deliver(world.only()) is None
    assert world.courier.calls == [] and world.queue() == []
    row = world.ledger(number)[RAY]
    assert row.fate == Fate.SUPPRESSED and row.reply == f"deleted by {RAY} at 2026-01-01T00:01:00Z"
    assert [fate for fate, _, _ in row.history] == [Fate.HELD, Fate.HELD]
    (event,) = [event for event in world.events(number) if event.kind == "suppressed"]
    assert event.recipients == (RAY,) and RAY in event.text
    assert world.attempts[-1].changed[0].fate == Fate.SUPPRESSED
    assert world.balanced()


@pytest.mark.parametrize("message", [MESSAGE, MESSAGE.replace(b"Message-ID: <m1@sender.example>\r\n", b"")])
def test_nobody_is_told_that_it_failed(world: RelayWorld, message: bytes) -> None:
    message = message.replace(b"zoe@sender.example", b"ann@local.example", 1)
    world.change_domain("local.example", settings={"sent-back": "never"})
    world.submit(world.ann, RAY, message=message)
    world.clock.advance(60)
    delete(world, world.ray)
    world.deliver(world.only())
    assert world.queue() == [] and world.mailbox(world.ann) == [] and world.untold == []


def test_a_first_attempt_at_once_looks_into_no_mailbox(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    delete(world, world.ray)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.DELIVERED}


@pytest.mark.parametrize("target", ["Trash", "Archive", "Junk"])
def test_filing_and_moving_never_stop_give_back(world: RelayWorld, target: str) -> None:
    number = waiting(world, RAY)
    move(world, world.ray, target)
    world.courier.script = refuse(Stage.FINAL, 451)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.HELD} and len(world.courier.calls) == 1
    delete(world, world.ray, target)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.SUPPRESSED}


def test_what_a_pop3_client_took_home_is_given_back(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    delete(world, world.ray, taken=True)
    world.courier.script = accept
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.DELIVERED}


def test_what_was_put_back_before_its_turn_is_given_back(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    delete(world, world.ray)
    restore(world, world.ray)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.HELD} and len(world.courier.calls) == 1


def test_what_is_put_back_in_the_moment_of_its_turn_is_given_back(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    delete(world, world.ray)
    transact_all = world.engine.transact_all

    def quicker(parts: Any) -> Any:
        world.engine.transact_all = transact_all
        restore(world, world.ray)
        return transact_all(parts)

    world.engine.transact_all = quicker
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.HELD} and len(world.courier.calls) == 1 and world.balanced()


def test_only_who_deleted_it_goes_without(world: RelayWorld) -> None:
    world.user(UNA)
    number = waiting(world, RAY, UNA)
    delete(world, world.ray)
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.SUPPRESSED, UNA: Fate.HELD}
    assert world.courier.calls[0].recipients == [UNA] and world.balanced()
    assert world.only().lease_owner == ""


def test_who_never_had_a_copy_gets_it(world: RelayWorld) -> None:
    number = waiting(world, "staff@relay.example")
    world.deliver(world.only())
    assert world.fates(number) == {"staff@relay.example": Fate.HELD} and len(world.courier.calls) == 1


def test_a_domain_can_give_back_everything(world: RelayWorld) -> None:
    world.change_domain("relay.example", settings={"give-back-deleted": "on"})
    waiting(world, RAY)
    delete(world, world.ray)
    world.deliver(world.only())
    assert len(world.courier.calls) == 1


def test_what_a_person_released_goes_all_the_same(world: RelayWorld) -> None:
    waiting(world, RAY)
    delete(world, world.ray)
    entry, now = world.only(), world.clock.now()
    world.engine.transact(keys.QUEUE, lambda txn: outbound.insist(txn, entry.id, now)).result()
    world.deliver(world.only())
    assert len(world.courier.calls) == 1


def test_what_was_read_and_deleted_is_no_failure_when_its_time_is_over(world: RelayWorld) -> None:
    number = waiting(world, RAY)
    delete(world, world.ray)
    world.clock.advance(HOLD)
    assert drive(world.relay.expire(world.only().id)) is None
    assert world.fates(number) == {RAY: Fate.SUPPRESSED} and world.queue() == []
    assert world.untold == [] and world.balanced()


def test_the_others_of_a_held_entry_are_given_up_at_once_when_its_time_is_over(world: RelayWorld) -> None:
    world.user(UNA)
    number = waiting(world, RAY, UNA)
    delete(world, world.ray)
    world.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, world.only().id, "odd")).result()
    world.clock.advance(HOLD)
    assert drive(world.relay.expire(world.queue()[0].id)) is not None
    assert world.fates(number) == {RAY: Fate.SUPPRESSED, UNA: Fate.BOUNCED} and world.balanced()


def test_damaged_rows_of_a_mailbox_settle_nothing_and_keep_nothing_from_going_on() -> None:
    world = RelayWorld()
    number = waiting(world, RAY)
    delete(world, world.ray)
    world.engine.corrupt(PERMANENT, keys.user_scope(world.ray.id), keys.ACCOUNT)
    world.courier.script = accept
    world.deliver(world.only())
    assert world.queue() == [] and world.fates(number) == {RAY: Fate.DELIVERED}


def test_a_bug_in_the_look_does_not_keep_an_entry_for_ever() -> None:
    world = RelayWorld()
    number = waiting(world, RAY)
    world.directory.resolve = lambda address: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ZeroDivisionError):
        world.deliver(world.only())
    entry = world.only()
    assert entry.lease_owner == "" and entry.attempts == 2 and "ZeroDivisionError" in entry.last_reply
    world.clock.advance(HOLD)
    with pytest.raises(ZeroDivisionError):
        drive(world.relay.expire(entry.id))
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.balanced()


def test_suppression_is_one_commit_or_none() -> None:
    world = RelayWorld()
    number = waiting(world, RAY)
    delete(world, world.ray)
    lease = world.engine.transact

    def then_full(*args: Any) -> Any:
        world.engine.transact = lease
        leased = lease(*args)
        world.engine.fail_next(StoreFull())
        return leased

    world.engine.transact = then_full
    before = len(world.events(number))
    with pytest.raises(StoreFull):
        world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.HELD} and len(world.events(number)) == before and world.balanced()
    world.deliver(world.only())
    assert world.fates(number) == {RAY: Fate.SUPPRESSED} and world.balanced()


def test_a_long_outage_gives_back_what_is_left_in_order(world: RelayWorld) -> None:
    world.user(UNA)
    world.hold("relay.example")
    numbers = [id_of(world.receive(RAY, message=MESSAGE.replace(b"<m1", b"<m%d" % n))) for n in range(6)]
    world.clock.advance(600)
    inbox = [row.message_id for row in world.mailbox(world.ray)]
    assert len(inbox) == 6

    def some(txn: Txn) -> None:
        messages.expunge(txn, box(txn, "INBOX").id, [2, 5], by=RAY, now=world.clock.now(), deleted_only=False)

    change(world, world.ray, some)
    world.engine.transact(keys.QUEUE, lambda txn: outbound.clear_destination(txn, "relay.example")).result()
    world.ticks(times=3, seconds=30)
    fates = [world.fates(number)[RAY] for number in numbers]
    assert fates == [Fate.SUPPRESSED if n in (1, 4) else Fate.DELIVERED for n in range(6)]
    assert len(world.courier.taken) == 4 and world.balanced()


@pytest.mark.parametrize("message", [MESSAGE, MESSAGE.replace(b"Message-ID: <m1@sender.example>\r\n", b"")])
def test_what_several_readers_share_is_deleted_when_all_of_them_did(world: RelayWorld, message: bytes) -> None:
    """Ann keeps her copies for other days than Ray does."""
    drive(add_alias(world.desk, "team@relay.example", [RAY, "ann@local.example"]))
    number = waiting(world, "team@relay.example", message=message)
    delete(world, world.ray)
    world.deliver(world.only())
    assert world.fates(number) == {"team@relay.example": Fate.HELD}
    delete(world, world.ann)
    world.deliver(world.only())
    assert world.fates(number) == {"team@relay.example": Fate.SUPPRESSED}
    assert world.balanced()


def test_who_reads_by_an_alias_since_and_had_no_copy_is_not_forgotten(world: RelayWorld) -> None:
    drive(add_alias(world.desk, "team@relay.example", [RAY]))
    number = waiting(world, "team@relay.example")
    delete(world, world.ray)
    drive(add_alias(world.desk, "team@relay.example", ["ann@local.example"]))
    world.courier.script = accept
    world.deliver(world.only())
    assert world.fates(number) == {"team@relay.example": Fate.DELIVERED}
