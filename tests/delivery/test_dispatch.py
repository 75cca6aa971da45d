"""Which entries are tried now: fair between destinations, patient with silent hosts, in time with what expires."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import HOLD, RelayWorld, lose, outcome, refuse, wait
from tests.delivery.world import MESSAGE
from tests.store.samples import entry
from xtramail.delivery.dispatch import KNOCK, REST, Dispatch
from xtramail.directory.holding import release_domain
from xtramail.model.errors import Corrupt, StoreFull
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.net.adapter import start
from xtramail.store import keys, outbound, queue_keys
from xtramail.store.engine import Txn
from xtramail.wire.smtp.client_events import Stage, Verdict

RAY = "ray@relay.example"
ANY = "una@any.example"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def fill(world: RelayWorld, destination: str, count: int, first: int = 1) -> list[int]:
    """So many due entries without bodies; their ids."""
    numbers = range(first, first + count)
    now = world.clock.now()

    def put(txn: Txn) -> None:
        for number in numbers:
            outbound.enqueue(txn, entry(number, destination=destination, due=now, arrival=now))

    world.engine.transact(keys.QUEUE, put).result()
    return list(numbers)


def test_a_destination_has_so_many_attempts_at_a_time(world: RelayWorld) -> None:
    ids = fill(world, "relay.example", 12)
    assert world.dispatch.take().start == tuple(ids[:5])
    assert world.dispatch.take().start == ()
    drive(world.dispatch.done(ids[2], None))
    assert world.dispatch.take().start == (ids[2],), "it is due as long as nobody wrote anything"
    assert world.dispatch.under_way == 5


def test_ten_thousand_entries_for_one_host_do_not_keep_one_for_another_waiting(world: RelayWorld) -> None:
    big = fill(world, "relay.example", 10_000)
    world.clock.advance(60)
    small = fill(world, "any.example", 1, first=20_000)
    assert set(world.dispatch.take().start) == {*big[:5], *small}


def test_destinations_take_turns_when_not_all_of_them_fit(world: RelayWorld) -> None:
    names = [f"d{number:02}.example" for number in range(10)]
    for number, name in enumerate(names):
        fill(world, name, 50, first=1 + number * 100)
    dispatch = Dispatch(engine=world.engine, clock=world.clock, concurrency=5, total=15)
    served: Counter[int] = Counter()
    for _ in range(20):
        started = dispatch.take().start
        assert len(started) == 15
        for number in started:
            served[number // 100] += 1
            drive(dispatch.done(number, None))
    assert set(served.values()) == {30}


def test_what_is_held_by_the_admin_stays_closed(world: RelayWorld) -> None:
    fill(world, "relay.example", 3)
    world.hold("relay.example")
    fill(world, "any.example", 1, first=10)
    assert world.dispatch.take().start == (10,)
    drive(release_domain(world.desk, "relay.example"))
    assert world.dispatch.take().start == (1,), "one connection at first"


def never_down(world: RelayWorld) -> None:
    """As a host of the outside world, which has no states."""
    world.change_domain("relay.example", settings={"outage-faults": "100"})


def test_one_entry_at_a_time_knocks_at_a_silent_host(world: RelayWorld) -> None:
    never_down(world)
    for _ in range(20):
        world.receive(RAY)
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    assert len(world.courier.calls) == 5 and world.dispatch.silent("relay.example")
    world.ticks(times=int(KNOCK) - 1, seconds=1)
    assert len(world.courier.calls) == 5
    world.ticks(times=4, seconds=KNOCK)
    assert len(world.courier.calls) == 9
    assert len({call.message for call in world.courier.calls}) == 9, "another message knocks each time"


def test_a_silent_host_costs_the_others_nothing(world: RelayWorld) -> None:
    world.receive(RAY)
    world.courier.hosts = {}
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    world.change_domain("any.example", primaries=(("other.example", 25),))
    world.courier.hosts = {"other.example": lambda call: call.says(TAKEN)}
    for _ in range(8):
        world.receive(ANY)
    world.ticks(times=2)
    assert {one.destination for one in world.queue()} == {"relay.example"}


TAKEN = outcome(Verdict.DELIVERED, Stage.FINAL, Reply.of(250, "", "ok"))


def test_when_the_host_answers_everything_for_it_is_due(world: RelayWorld) -> None:
    never_down(world)
    for _ in range(12):
        world.receive(RAY)
    world.courier.script = lose(Stage.CONNECT)
    world.ticks(times=40, seconds=KNOCK)
    assert all(one.attempts >= 2 for one in world.queue())
    world.courier.script = lambda call: call.says(TAKEN)
    world.ticks(times=40, seconds=KNOCK)
    assert world.queue() == []


def test_the_entry_that_knocked_waits_its_own_time_when_it_is_deferred(world: RelayWorld) -> None:
    world.receive(RAY)
    world.receive(RAY)
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    world.courier.script = refuse(Stage.RCPT, 450)
    world.ticks(seconds=70)
    knocked, other = sorted(world.queue(), key=lambda one: -one.attempts)
    assert knocked.attempts == 2 and knocked.due > world.clock.now()
    assert other.due <= world.clock.now()


def test_a_message_at_which_the_host_hangs_up_goes_to_its_own_timer(world: RelayWorld) -> None:
    poison = world.receive(RAY)
    for _ in range(7):
        world.receive(RAY)
    number = poison.lines[0].rpartition(" ")[2]
    world.courier.script = lambda call: lose(Stage.DATA)(call) if call.message == number else call.says(TAKEN)
    world.ticks(times=2)
    assert len(world.queue()) == 1 and not world.dispatch.silent("relay.example")


def test_what_expires_at_a_silent_host_is_given_up_in_time_without_asking_it(world: RelayWorld) -> None:
    for _ in range(100):
        world.receive(RAY, sender="")
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    world.clock.advance(HOLD - 100)
    world.receive(RAY, sender="")
    world.ticks()
    asked = len(world.courier.calls)
    world.ticks(times=6, seconds=30)
    assert len(world.queue()) == 1
    assert len(world.courier.calls) <= asked + 6
    assert world.balanced()


def test_held_entries_are_given_up_in_their_time_too(world: RelayWorld) -> None:
    for _ in range(5):
        world.receive(RAY, sender="")
    held = world.queue()[:2]
    for one in held:
        world.engine.transact(keys.QUEUE, lambda txn, one=one: outbound.hold(txn, one.id, "odd")).result()  # type: ignore[misc]
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    world.ticks(seconds=HOLD)
    assert world.queue() == [] and world.balanced()


def test_nobody_is_silent_and_no_lease_holds_after_a_restart(world: RelayWorld) -> None:
    for _ in range(3):
        world.receive(RAY)
    world.courier.script = wait
    for one in world.queue():
        start(world.relay.deliver(one.id))
    assert world.due() == []
    world.start()
    assert len(world.dispatch.take().start) == 3
    assert not world.dispatch.silent("relay.example")


def test_a_restart_leaves_the_time_of_other_entries(world: RelayWorld) -> None:
    world.receive(RAY)
    world.courier.script = refuse(Stage.RCPT, 450)
    world.ticks()
    before = world.only()
    world.start()
    assert world.only() == before


def test_a_damaged_row_rests_and_stops_nobody(world: RelayWorld) -> None:
    first, second = fill(world, "relay.example", 2)
    world.engine.corrupt(0, keys.QUEUE, queue_keys.entry(first))  # type: ignore[arg-type]
    assert world.dispatch.take().start == (first, second)
    with pytest.raises(Corrupt):
        drive(world.relay.deliver(first))
    world.dispatch.failed(first)
    drive(world.dispatch.done(second, None))
    assert world.dispatch.take().start == (second,)
    drive(world.dispatch.done(second, None))
    world.clock.advance(REST)
    assert first in world.dispatch.take().start
    world.start()


def test_a_wake_that_cannot_be_written_leaves_entries_to_their_own_time(world: RelayWorld) -> None:
    never_down(world)
    for _ in range(3):
        world.receive(RAY)
    world.courier.script = lose(Stage.CONNECT)
    world.ticks()
    world.courier.script = refuse(Stage.RCPT, 450)
    world.clock.advance(61)
    (knocking,) = world.dispatch.take().start
    attempt = world.deliver(knocking)
    later = [one for one in world.queue() if one.id != knocking]
    world.engine.transact(
        keys.QUEUE, lambda txn: [outbound.update(txn, replace(one, due=one.due + 500)) for one in later]
    ).result()
    world.engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        drive(world.dispatch.done(knocking, attempt))
    assert not world.dispatch.silent("relay.example") and world.dispatch.under_way == 0
    world.ticks(seconds=600)
    assert all(one.attempts >= 2 for one in world.queue())


def test_messages_that_came_while_it_was_silent_are_not_lost_on_a_clock_set_back(world: RelayWorld) -> None:
    world.receive(RAY, message=MESSAGE)
    world.clock.jump(-7 * 86_400)
    world.ticks()
    assert len(world.queue()) == 1
    world.clock.jump(7 * 86_400)
    world.ticks()
    assert world.queue() == []
