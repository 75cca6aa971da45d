"""The relay as a service: it looks when something changes and by the clock, and forgets no outcome."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.delivery.relay_world import RelayWorld, accept, lose, refuse, wait
from tests.delivery.world import MESSAGE, id_of
from xtramail.delivery.courier import Carried
from xtramail.delivery.overdue import Risk
from xtramail.delivery.retention import RetentionJob
from xtramail.model.errors import Corrupt, StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.net.relay_service import STORE_PAUSE, RelayService
from xtramail.store import keys, outbound, queue_keys
from xtramail.store.engine import Txn
from xtramail.wire.smtp.client_events import Stage

RAY = "ray@relay.example"
DAY = 86_400.0


class Relayed(RelayWorld):
    def __init__(self) -> None:
        super().__init__()
        self.reactor = Clock()
        self.faults: list[tuple[int, BaseException]] = []
        self.risks: list[Risk] = []
        self.courier.close = self.cut  # type: ignore[attr-defined]
        self.service = RelayService(
            self.reactor,
            engine=self.engine,
            clock=self.clock,
            relay=self.relay,
            dispatch=self.dispatch,
            outgoing=self.courier,  # type: ignore[arg-type]
            watch=self.watch,
            fault=lambda entry_id, error: self.faults.append((entry_id, error)),
            at_risk=self.risks.append,
            overdue_interval=1.0,
        )

    def cut(self) -> None:
        for call in self.courier.calls:
            if not call.carried.done:
                call.carried.settle(lose(Stage.MAIL)(call))  # type: ignore[arg-type]

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.reactor.advance(step)

    def turn(self) -> None:
        self.reactor.advance(0)


@pytest.fixture
def world() -> Any:
    world = Relayed()
    world.service.startService()
    world.turn()
    yield world
    if world.service.running:
        world.service.stopService()
    assert world.reactor.getDelayedCalls() == []


def test_mail_goes_out_in_the_next_turn_after_it_came_in(world: Relayed) -> None:
    number = id_of(world.receive(RAY))
    assert world.courier.calls == []
    world.turn()
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.faults == []


def test_what_is_due_later_goes_by_the_clock(world: Relayed) -> None:
    world.courier.script = refuse(Stage.RCPT, 450)
    number = id_of(world.receive(RAY))
    world.turn()
    world.courier.script = accept
    world.pass_time(58)
    assert world.fates(number) == {RAY: Fate.HELD}
    world.pass_time(4)
    assert world.fates(number) == {RAY: Fate.DELIVERED}


def test_a_thousand_entries_go_without_deep_calls_and_without_a_second_of_waiting(world: Relayed) -> None:
    for _ in range(1_000):
        world.receive(RAY)
    turns = 0
    while world.queue():
        world.turn()
        turns += 1
    assert turns <= 210 and len(world.courier.calls) == 1_000


def test_a_queue_that_changes_all_the_time_costs_one_look_a_turn(world: Relayed) -> None:
    looks: list[int] = []
    take = world.dispatch.take

    def counted() -> Any:
        looks.append(1)
        return take()

    world.dispatch.take = counted  # type: ignore[method-assign]
    for _ in range(50):
        world.engine.transact(keys.QUEUE, lambda txn: txn.put(0, b"z", b"")).result()  # type: ignore[arg-type]
    world.turn()
    assert len(looks) == 1


def test_a_watcher_that_is_woken_by_its_own_writes_comes_to_an_end(world: Relayed) -> None:
    """A destination that wakes hundreds of entries, each of which wakes the watcher."""
    world.change_domain("relay.example", settings={"outage-faults": "100"})
    world.courier.script = lose(Stage.CONNECT)
    for _ in range(300):
        world.receive(RAY)
    world.pass_time(120)
    world.courier.script = accept
    world.pass_time(120)
    assert world.queue() == [] and world.faults == []


def test_an_outcome_is_written_when_the_store_can_again_and_the_message_sent_once(world: Relayed) -> None:
    def then_full(call: Any) -> Carried:
        carried = accept(call)
        world.engine.fail_next(StoreFull(), times=3)
        return carried

    world.courier.script = then_full
    number = id_of(world.receive(RAY))
    world.turn()
    assert world.fates(number) == {RAY: Fate.ATTEMPTED} and world.dispatch.under_way == 1
    world.pass_time(4 * STORE_PAUSE)
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.queue() == []
    assert len(world.courier.calls) == 1 and len(world.faults) == 1


def test_a_store_that_cannot_write_is_not_hammered(world: Relayed) -> None:
    for _ in range(10):
        world.receive(RAY)
    world.engine.fail_next(StoreFull(), times=10_000)
    world.pass_time(20)
    assert len(world.faults) <= 20 and world.courier.calls == []
    world.engine._failures.clear()
    world.pass_time(40)
    assert world.queue() == []


def test_a_damaged_entry_stops_nobody_and_is_told_now_and_then(world: Relayed) -> None:
    world.service.stopService()
    world.receive(RAY)
    world.receive(RAY)
    first = world.queue()[0]
    world.engine.corrupt(0, keys.QUEUE, queue_keys.entry(first.id))  # type: ignore[arg-type]
    world.service.startService()
    world.pass_time(10)
    assert len(world.courier.calls) == 1
    assert [(number, type(error)) for number, error in world.faults] == [(first.id, Corrupt)]


def test_a_queue_that_cannot_be_read_is_told_and_looked_at_again(world: Relayed) -> None:
    take = world.dispatch.take
    world.dispatch.take = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    world.pass_time(10)
    assert {number for number, _ in world.faults} == {0} and len(world.faults) <= 3
    world.dispatch.take = take  # type: ignore[method-assign]
    world.receive(RAY)
    world.pass_time(10)
    assert world.queue() == []


def test_what_expires_at_a_silent_host_is_given_up(world: Relayed) -> None:
    world.courier.script = lose(Stage.CONNECT)
    for _ in range(8):
        world.receive(RAY, sender="")
    world.turn()
    asked = len(world.courier.calls)
    world.clock.advance(14 * 86_400)
    world.pass_time(3)
    assert world.queue() == [] and len(world.courier.calls) <= asked + 1


def test_a_clock_that_jumps_gives_nothing_up_until_it_is_confirmed(world: Relayed) -> None:
    retention = RetentionJob(
        engine=world.engine, clock=world.clock, run="run 1", on_drop=lambda dropped: None, on_pause=lambda why: None
    )
    drive(retention.run())
    world.courier.script = lose(Stage.CONNECT)
    number = id_of(world.submit(world.ann, RAY, message=MESSAGE.replace(b"zoe@sender", b"ann@local")))
    world.turn()
    world.clock.jump(15 * DAY)
    world.pass_time(3)
    drive(retention.run())
    drive(world.relay.deliver(world.only().id))
    world.pass_time(3)
    assert len(world.courier.calls) == 2, "a failed attempt is not its end, either"
    assert world.fates(number) == {RAY: Fate.HELD} and world.mailbox(world.ann) == []
    drive(retention.confirm())
    world.pass_time(3)
    assert world.fates(number) == {RAY: Fate.BOUNCED} and len(world.mailbox(world.ann)) == 1
    assert world.balanced()


def test_stopping_cuts_what_is_under_way_and_waits_until_it_is_written(world: Relayed) -> None:
    world.courier.script = wait
    number = id_of(world.receive(RAY))
    world.turn()
    world.engine.pause()
    stopped = world.service.stopService()
    assert not stopped.called
    world.engine.resume()
    assert stopped.called
    assert world.fates(number) == {RAY: Fate.HELD} and world.only().lease_owner == ""
    world.turn()
    assert len(world.courier.calls) == 1


def test_stopping_does_not_wait_for_a_store_that_cannot_write(world: Relayed) -> None:
    world.courier.script = wait
    number = id_of(world.receive(RAY))
    world.turn()
    world.engine.fail_next(StoreFull(), times=100)
    assert world.service.stopService().called
    world.engine._failures.clear()
    assert world.fates(number) == {RAY: Fate.HELD}
    world.start()
    world.courier.script = accept
    world.ticks()
    assert world.fates(number) == {RAY: Fate.DELIVERED}


def test_stopping_in_a_pause_for_the_store_ends_it(world: Relayed) -> None:
    def then_full(call: Any) -> Carried:
        carried = accept(call)
        world.engine.fail_next(StoreFull(), times=100)
        return carried

    world.courier.script = then_full
    world.receive(RAY)
    world.turn()
    assert world.dispatch.under_way == 1
    assert world.service.stopService().called
    world.engine._failures.clear()


def test_leases_of_a_run_that_died_are_void_before_the_first_look() -> None:
    world = Relayed()
    world.receive(RAY)
    entry = world.only()

    def orphan(txn: Txn) -> None:
        outbound.lease(txn, entry.id, world.clock.now(), 3_600, "a run that died")

    world.engine.transact(keys.QUEUE, orphan).result()
    world.service.startService()
    world.turn()
    assert world.queue() == []
    world.service.stopService()


def test_a_store_that_is_full_at_the_start_keeps_no_lease_of_a_run_that_died() -> None:
    world = Relayed()
    number = id_of(world.receive(RAY))
    world.engine.transact(
        keys.QUEUE, lambda txn: outbound.lease(txn, world.only().id, world.clock.now(), 3_600.0, "dead") is not None
    ).result()
    world.engine.fail_next(StoreFull(), 2)
    world.service.startService()
    assert world.courier.calls == []
    world.pass_time(2 * STORE_PAUSE + 1)
    assert world.fates(number) == {RAY: Fate.DELIVERED} and len(world.faults) == 2
    world.service.stopService()
    assert world.reactor.getDelayedCalls() == []


def test_what_a_wrong_clock_put_off_goes_when_the_clock_is_right(world: Relayed) -> None:
    world.courier.script = refuse(Stage.RCPT, 450)
    number = id_of(world.receive(RAY))
    world.turn()
    world.courier.script = accept
    world.clock.jump(-90_000)
    world.pass_time(5)
    assert world.fates(number) == {RAY: Fate.DELIVERED}
