"""Expiry as a job: paced, pausing, around what cannot go, the same after a crash."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import OK, RelayWorld, lose
from tests.delivery.world import id_of
from xtramail.delivery.retention import CHUNK, GRACE, Dropped, RetentionJob, read_state
from xtramail.model.bucket import CLASS_HELD, bucket_class, bucket_day
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import Pending, drive
from xtramail.store import keys, schema
from xtramail.store.engine import Txn
from xtramail.wire.smtp.client_events import Stage

DAY = 86_400.0
ANN, RAY = "ann@local.example", "ray@relay.example"


class Jobs(RelayWorld):
    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[Dropped] = []
        self.paused: list[str] = []
        self.again()

    def again(self) -> None:
        """A new run of the server."""
        self.job = RetentionJob(
            engine=self.engine,
            clock=self.clock,
            run=f"run {id(object())} {len(self.dropped)} {self.clock.now()}",
            on_drop=self.dropped.append,
            on_pause=self.paused.append,
        )
        drive(self.job.run())

    def hours(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(3_600)
            drive(self.job.run())

    def inbox(self) -> int:
        return len(self.mailbox(self.ann))


@pytest.fixture
def world() -> Jobs:
    return Jobs()


def test_mail_lives_its_days_and_the_rest_of_its_first(world: Jobs) -> None:
    world.receive(ANN)
    world.hours(24 * 31 - 1)
    assert world.inbox() == 1
    world.hours(1)
    assert world.inbox() == 0
    assert [bucket_class(one.bucket) >= 16 for one in world.dropped].count(True) == 1
    assert not world.paused


def test_what_was_dropped_is_swept_after_the_grace_in_steps(world: Jobs) -> None:
    world.receive(ANN)
    world.hours(24 * 31)
    (bucket,) = {one.bucket for one in world.dropped if bucket_class(one.bucket) >= 16}
    rows = len(world.engine.contents())
    assert bucket in world.engine.buckets() and drive(world.job.sweep()) == 0
    world.clock.advance(GRACE)
    assert 0 < drive(world.job.sweep()) <= CHUNK
    assert bucket not in world.engine.buckets() and len(world.engine.contents()) < rows
    assert drive(world.job.sweep()) == 0


def test_a_restart_waits_the_grace_again_and_then_sweeps(world: Jobs) -> None:
    world.receive(ANN)
    world.hours(24 * 31)
    world.clock.advance(GRACE - 60)
    world.again()
    world.clock.advance(120)
    assert drive(world.job.sweep()) == 0
    world.clock.advance(GRACE)
    assert drive(world.job.sweep()) > 0


def test_a_clock_that_jumps_takes_nothing_until_somebody_confirms(world: Jobs) -> None:
    world.receive(ANN)
    world.clock.jump(60 * DAY)
    plan = drive(world.job.run())
    assert plan.buckets and not plan.allowed and "expire --confirm" in plan.paused
    drive(world.job.run())
    assert len(world.paused) == 1, "told once"
    assert world.inbox() == 1
    drive(world.job.confirm())
    assert world.inbox() == 0


def test_mail_that_came_while_the_clock_was_behind_lives_its_days(world: Jobs) -> None:
    assert not world.job.jumped()
    world.clock.jump(-400 * DAY)
    assert world.job.jumped() and not world.job.jumped()
    drive(world.job.look())
    world.receive(ANN)
    world.clock.jump(400 * DAY)
    assert world.job.jumped()
    drive(world.job.look())
    drive(world.job.confirm())
    world.hours(24 * 29)
    assert world.inbox() == 1
    world.hours(24 * 3)
    assert world.inbox() == 0


def test_without_confirmation_two_days_of_mail_go_in_a_real_day(world: Jobs) -> None:
    for _ in range(6):
        world.receive(ANN)
        world.hours(24)
    world.clock.jump(60 * DAY)
    drive(world.job.run())
    assert world.inbox() == 6
    left = []
    for _ in range(5):
        world.hours(24)
        left.append(world.inbox())
    assert left[:4] == [4, 2, 0, 0] or left[:4] == [6, 4, 2, 0]


def test_dying_between_count_and_drop_allows_no_third_day(world: Jobs) -> None:
    for _ in range(6):
        world.receive(ANN)
        world.hours(24)
    world.clock.jump(60 * DAY)
    drive(world.job.run())
    world.hours(23)
    drop = world.engine.drop_bucket
    world.engine.drop_bucket = lambda *_: Pending.failed(StoreFull())  # type: ignore[method-assign]
    world.clock.advance(3_600)
    with pytest.raises(StoreFull):
        drive(world.job.run())
    counted = {day for day, _ in world.engine.read(keys.STORE, read_state).dropped}
    assert len(counted) >= 2 and world.inbox() == 6
    world.engine.drop_bucket = drop  # type: ignore[method-assign]
    world.again()
    assert world.inbox() == 4


def test_mail_whose_fate_is_open_is_saved_from_its_day_and_still_relayed(world: Jobs) -> None:
    world.change_domain("relay.example", retention_days=1)
    number = _received(world)
    world.courier.script = lose(Stage.CONNECT)
    old = world.only().body.bucket
    world.engine.transact(
        keys.STORE, lambda txn: _days(txn, bucket_class(old), 1)  # type: ignore[arg-type]
    ).result()
    world.hours(24 * 3)
    assert [one.moved for one in world.dropped if one.bucket == old] == [1]
    assert bucket_class(world.only().body.bucket) == CLASS_HELD  # type: ignore[arg-type]
    assert world.balanced() and world.fates(number) == {RAY: Fate.HELD}
    world.courier.script = lambda call: call.says(OK)
    world.deliver(world.only())
    assert world.courier.taken[-1][2].endswith(b"Hello Ann.\r\n")
    assert world.fates(number) == {RAY: Fate.DELIVERED} and world.balanced()


def test_a_day_that_cannot_go_keeps_neither_the_others_nor_the_sweep(world: Jobs) -> None:
    world.change_domain("relay.example", retention_days=30)
    _received(world)
    world.receive(ANN)
    stuck = world.only().body.bucket
    world.engine.transact(keys.STORE, lambda txn: _days(txn, bucket_class(stuck), 30)).result()  # type: ignore[arg-type]
    world.hours(24 * 31 - 1)
    world.clock.advance(3_600)
    # The state of the clock can be written; saving the body cannot.
    run = world.job.run()
    append = world.engine.append_body

    def full(*_: object) -> object:
        raise StoreFull

    world.engine.append_body = full  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreFull):
        drive(run)
    assert world.inbox() == 0 and len(world.queue()) == 1
    assert stuck not in {one.bucket for one in world.dropped}
    world.engine.append_body = append  # type: ignore[method-assign]
    drive(world.job.run())
    assert stuck in {one.bucket for one in world.dropped} and len(world.queue()) == 1


def test_looking_changes_nothing(world: Jobs) -> None:
    world.receive(ANN)
    world.clock.advance(40 * DAY)
    before = world.engine.contents()
    plan = world.job.plan()
    assert plan.buckets and bucket_day(plan.buckets[0])
    assert world.engine.contents() == before


def _received(world: Jobs) -> int:
    return id_of(world.receive(RAY, sender=""))


def _days(txn: Txn, number: int, days: int) -> None:
    schema.set_retention_days(txn, number, days)
