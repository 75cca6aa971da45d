"""A refusal of a recipient known to be good, or one of a surge, waits for a person in place of bouncing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.relay_world import HOLD, OK, Call, RelayWorld, accept, lose, outcome, refuse
from tests.delivery.world import MESSAGE, id_of
from xtramail.delivery.courier import Carried
from xtramail.model.errors import StoreFault
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive
from xtramail.store import alerts, keys, outbound
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import QueueEntry
from xtramail.wire.smtp.client_events import Stage, Verdict

RAY, STAFF = "ray@relay.example", "staff@relay.example"
DAY = 86_400.0
NO = outcome(Verdict.REFUSED, Stage.RCPT, Reply.of(550, "5.1.1", "who?"))
UNKNOWN = refuse(Stage.RCPT, 550, "5.1.1", "who?")


@pytest.fixture(params=["memory", "lmdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RelayWorld]:
    engine: Any = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path / "store", create=True)
    yield RelayWorld(engine=engine)
    engine.close()


def refused(world: RelayWorld, *recipients: str, script: Any = UNKNOWN, sender: str = "zoe@sender.example") -> int:
    number = id_of(world.receive(*recipients, sender=sender))
    world.courier.script = script
    world.deliver(world.queue()[-1])
    return number


def raised(world: RelayWorld) -> list[alerts.AlertRow]:
    return world.engine.read(keys.ALERTS, alerts.alerts)  # type: ignore[no-any-return]


@pytest.mark.parametrize("recipient", [RAY, STAFF, "postmaster@relay.example"])
def test_a_recipient_known_for_seven_days_is_held_and_alerted(world: RelayWorld, recipient: str) -> None:
    world.clock.advance(7 * DAY)
    number = refused(world, recipient)
    entry = world.only()
    assert entry.held and entry.hold_reason == "refused, though known since 2026-01-01"
    assert entry.last_reply == "550 5.1.1 who?" and entry.lease_owner == ""
    assert world.fates(number) == {recipient: Fate.HELD} and world.balanced()
    (alert,) = raised(world)
    assert (alert.kind, alert.domain) == ("message-held-for-refusal", "relay.example")
    assert recipient in alert.text and "xtramail queue release" in alert.text
    (event,) = [event for event in world.events(number) if event.kind == "attempt"]
    assert event.fields["fate"] == "held for a person" and "550 5.1.1" in event.text
    assert world.attempts[-1].parked == {recipient: entry.hold_reason}
    assert world.untold == []


def test_one_who_is_new_bounces(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY - 1)
    number = refused(world, RAY)
    assert world.queue() == [] and world.fates(number) == {RAY: Fate.BOUNCED} and raised(world) == []


def test_a_recipient_whom_the_primary_took_mail_for_is_known(world: RelayWorld) -> None:
    world.courier.script = accept
    id_of(world.receive("una@any.example"))
    world.deliver(world.only())
    world.clock.advance(DAY)
    number = refused(world, "una@any.example")
    assert world.fates(number) == {"una@any.example": Fate.HELD}
    assert world.only().hold_reason == "refused, though any.example took mail for it on 2026-01-01"
    assert world.fates(refused(world, "vic@any.example")) == {"vic@any.example": Fate.BOUNCED}


def test_who_only_sent_mail_is_not_known_by_that(world: RelayWorld) -> None:
    world.courier.script = accept
    world.receive("una@any.example", sender="vic@any.example")
    world.deliver(world.only())
    number = refused(world, "vic@any.example")
    assert world.fates(number) == {"vic@any.example": Fate.BOUNCED}


@pytest.mark.parametrize(
    "script",
    [refuse(Stage.FINAL, 554, "5.6.0"), refuse(Stage.FINAL, 550, "5.7.1"), refuse(Stage.MAIL, 552, "5.3.4")],
)
def test_the_messages_own_fault_bounces_at_once(world: RelayWorld, script: Any) -> None:
    world.clock.advance(30 * DAY)
    number = refused(world, RAY, script=script)
    assert world.queue() == [] and world.fates(number) == {RAY: Fate.BOUNCED}


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.HELLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL])
def test_what_the_primary_says_of_itself_only_defers(world: RelayWorld, stage: Stage) -> None:
    world.change_domain("relay.example", settings={"guard-surge": "1"})
    world.clock.advance(30 * DAY)
    number = refused(world, RAY, script=refuse(stage, 554, "5.3.2"))
    assert not world.only().held and world.fates(number) == {RAY: Fate.HELD} and raised(world) == []


def test_a_refusal_after_the_dot_is_held_too(world: RelayWorld) -> None:
    world.clock.advance(30 * DAY)
    number = refused(world, RAY, script=refuse(Stage.FINAL, 554, "5.0.0"))
    assert world.only().held and world.fates(number) == {RAY: Fate.HELD} and world.balanced()


def test_a_surge_is_the_primarys_trouble_whoever_is_refused(world: RelayWorld) -> None:
    names = [f"u{number}@any.example" for number in range(8)]
    fates = [world.fates(refused(world, name))[name] for name in names]
    assert fates == [Fate.BOUNCED] * 4 + [Fate.HELD] * 4
    assert world.queue()[0].hold_reason == "any.example refused 5 recipients within 10m"
    (alert,) = raised(world)
    assert alert.count == 4, "one alert for a domain, however much is held"
    world.clock.advance(601)
    assert world.fates(refused(world, "new@any.example")) == {"new@any.example": Fate.BOUNCED}


def test_a_surge_goes_on_after_a_restart(world: RelayWorld) -> None:
    def restart() -> None:
        world.relay = world.other_relay("next")

    for number in range(4):
        refused(world, f"u{number}@any.example", script=UNKNOWN)
    world.clock.advance(300)
    restart()
    assert world.fates(refused(world, "u4@any.example")) == {"u4@any.example": Fate.HELD}
    assert world.queue()[0].hold_reason == "any.example refused 5 recipients within 10m"
    restart()
    world.clock.advance(301)
    assert world.fates(refused(world, "u5@any.example")) == {"u5@any.example": Fate.BOUNCED}, "four were before"


def test_a_restart_does_not_make_one_refusal_several_nor_spam_a_surge(world: RelayWorld) -> None:
    spam = refuse(Stage.FINAL, 550, "5.7.1")
    for number in range(8):
        refused(world, "u@any.example")
        refused(world, f"u{number}@any.example", script=spam)
        world.clock.advance(1)
    world.relay = world.other_relay("next")
    assert world.fates(refused(world, "v@any.example")) == {"v@any.example": Fate.BOUNCED}


def test_the_same_recipient_again_and_again_is_no_surge(world: RelayWorld) -> None:
    for _ in range(8):
        assert world.fates(refused(world, "u@any.example")) == {"u@any.example": Fate.BOUNCED}


def test_one_message_to_many_is_a_surge_by_itself(world: RelayWorld) -> None:
    names = [f"u{number}@any.example" for number in range(5)]
    assert set(world.fates(refused(world, *names)).values()) == {Fate.HELD}


def test_refusals_of_spam_are_no_surge(world: RelayWorld) -> None:
    names = [f"u{number}@any.example" for number in range(8)]
    for name in names:
        assert world.fates(refused(world, name, script=refuse(Stage.FINAL, 550, "5.7.1"))) == {name: Fate.BOUNCED}


@pytest.mark.parametrize(
    ("settings", "fate"),
    [
        ({"guard-refusals": "off"}, Fate.BOUNCED),
        ({"guard-known": "2h"}, Fate.HELD),
        ({"guard-surge": "1"}, Fate.HELD),
        ({}, Fate.BOUNCED),
    ],
)
def test_its_numbers_are_settings_of_the_domain(world: RelayWorld, settings: dict[str, str], fate: Fate) -> None:
    world.change_domain("relay.example", settings=settings)
    world.clock.advance(3 * 3_600)
    assert world.fates(refused(world, RAY)) == {RAY: fate}


def test_only_who_is_refused_is_held_and_the_others_go_on(world: RelayWorld) -> None:
    for name in ("una", "vic"):
        world.user(f"{name}@relay.example")
    world.clock.advance(7 * DAY)
    world.user("new@relay.example")
    names = (RAY, "una@relay.example", "vic@relay.example", "new@relay.example")
    number = id_of(world.receive(*names))

    def mixed(call: Call) -> Carried:
        call.before_dot((1,)).result()
        later = outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "4.2.1", "busy"))
        return call.says(NO, OK, later, NO)

    world.courier.script = mixed
    world.deliver(world.only())
    going, held = sorted(world.queue(), key=lambda entry: entry.held)
    assert [one.address for one in held.recipients] == [RAY]
    assert (held.message_id, held.body, held.arrival) == (going.message_id, going.body, going.arrival)
    fates = world.fates(number)
    assert [fates[name] for name in names] == [Fate.HELD, Fate.DELIVERED, Fate.HELD, Fate.BOUNCED]
    words = {event.fields.get("fate"): event.recipients for event in world.events(number) if event.kind == "attempt"}
    assert words == {
        "held for a person": (RAY,), "delivered": (names[1],), "deferred": (names[2],), "bounced": (names[3],)
    }
    assert world.balanced()
    world.courier.script = accept
    world.clock.advance(3_600)
    world.ticks(times=3)
    assert world.only() == held and world.fates(number)[names[2]] == Fate.DELIVERED
    release(world, held)
    world.deliver(held)
    assert world.queue() == [] and world.fates(number)[RAY] == Fate.DELIVERED and world.balanced()


def release(world: RelayWorld, entry: QueueEntry) -> None:
    now = world.clock.now()
    world.engine.transact(keys.QUEUE, lambda txn: outbound.release(txn, entry.id, now)).result()


def test_released_and_refused_again_it_waits_again(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY)
    refused(world, RAY)
    release(world, world.only())
    world.deliver(world.only())
    assert world.only().held and raised(world)[0].count == 2


def test_given_up_by_a_person_its_outside_sender_is_told(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY)
    number = refused(world, RAY)
    drive(world.relay.bounce(world.only().id, "moved away"))
    (notice,) = world.queue()
    assert (notice.destination, notice.kind) == ("sender.example", "dsn")
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.balanced()


def test_what_nobody_decides_is_given_up_when_its_time_is_over(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY)
    number = refused(world, RAY, sender="")
    world.clock.advance(HOLD)
    drive(world.relay.expire(world.only().id))
    assert world.fates(number) == {RAY: Fate.BOUNCED} and world.queue() == [] and world.balanced()
    assert "given up after 14 days; last answer: 550 5.1.1" in world.ledger(number)[RAY].reply


def test_a_refusal_says_nothing_of_an_attempt_before_it(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY)
    number = refused(world, RAY, script=lose(Stage.FINAL))
    world.courier.script = refuse(Stage.RCPT, 550, "5.1.1")
    world.deliver(world.only())
    assert world.only().held and world.fates(number) == {RAY: Fate.UNCONFIRMED} and world.balanced()


def test_a_last_try_that_is_refused_is_an_end_and_no_hold(world: RelayWorld) -> None:
    world.clock.advance(7 * DAY)
    number = id_of(world.receive(RAY, sender=""))
    world.clock.advance(HOLD)
    world.courier.script = UNKNOWN
    world.deliver(world.only())
    assert world.queue() == [] and world.fates(number) == {RAY: Fate.BOUNCED} and raised(world) == []


def test_hosts_of_the_world_are_believed(world: RelayWorld) -> None:
    world.change_domain("local.example", settings={"sent-back": "never"})
    message = MESSAGE.replace(b"zoe@sender.example", b"ann@local.example", 1)
    number = id_of(world.submit(world.ann, "zoe@sender.example", message=message))
    world.courier.script = UNKNOWN
    world.deliver(world.only())
    assert world.fates(number) == {"zoe@sender.example": Fate.BOUNCED}


def test_a_refusal_whose_outcome_is_owed_counts_once() -> None:
    world = RelayWorld()
    world.change_domain("any.example", settings={"guard-surge": "2"})

    def then_full(call: Call) -> Carried:
        world.engine.fail_next(StoreFault(), times=3)
        return call.says(NO)

    world.receive("una@any.example")
    world.courier.script = then_full
    entry = world.only()
    with pytest.raises(StoreFault):
        world.deliver(entry)
    for _ in range(2):
        with pytest.raises(StoreFault):
            drive(world.relay.write_owed(entry.id))
    drive(world.relay.write_owed(entry.id))
    assert world.queue() == [] and world.balanced()


def test_who_was_refused_lately_is_remembered_within_bounds() -> None:
    world = RelayWorld()
    world.change_domain("any.example", settings={"guard-surge": "1000"})
    for lot in range(30):
        refused(world, *[f"u{lot}-{number}@any.example" for number in range(50)])
    assert len(world.relay._guard._refused["any.example"]) == 1_000
