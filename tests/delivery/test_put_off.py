"""Mail that a clock which ran ahead put off."""

from __future__ import annotations

from tests.delivery.relay_world import RelayWorld, refuse
from tests.store.samples import entry
from xtramail.delivery.backoff import Timetable
from xtramail.delivery.put_off import LONGEST, hurry_put_off
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.store import keys, outbound
from xtramail.wire.smtp.client_events import Stage

RAY = "ray@relay.example"
TIMETABLE = Timetable(steps=(60.0, 1_800.0))


def hurried(world: RelayWorld, timetable: Timetable = TIMETABLE) -> int:
    return drive(hurry_put_off(world.engine, timetable, world.clock.now()))


def test_when_the_clock_goes_back_mail_does_not_wait_until_it_is_that_late_again() -> None:
    world = RelayWorld()
    world.receive(RAY)
    world.clock.jump(-90_000)
    world.ticks(times=3, seconds=60)
    assert len(world.queue()) == 1, "due tomorrow, as it seems"
    assert hurried(world) == 1
    world.ticks()
    assert world.queue() == [] and world.attempts[-1].entry.recipients[0].fate == Fate.DELIVERED
    assert hurried(world) == 0


def test_what_waits_by_the_timetable_waits_on() -> None:
    world = RelayWorld()
    world.courier.script = refuse(Stage.RCPT, 450)
    world.receive(RAY)
    world.ticks()
    assert hurried(world) == 0
    world.clock.jump(-LONGEST)
    assert hurried(world, Timetable(steps=(LONGEST,))) == 0, "a slow timetable is no wrong clock"
    assert hurried(world) == 1


def test_held_and_leased_entries_are_left() -> None:
    world = RelayWorld()
    late = world.clock.now() + 90_000
    for number in (1, 2):
        one = entry(number, destination="relay.example", due=late)
        world.engine.transact(keys.QUEUE, lambda txn, one=one: outbound.enqueue(txn, one)).result()  # type: ignore[misc]
    world.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, 1, "why")).result()
    world.engine.transact(keys.QUEUE, lambda txn: outbound.lease(txn, 2, late, 60.0, "other")).result()
    hurried(world)
    assert [one.due for one in world.queue()] == [late, late]
