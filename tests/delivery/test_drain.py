"""The drain: order, fairness, pace, and bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from tests.store.samples import NOW, entry
from xtramail.delivery.drain import WINDOW, Drain, Pace
from xtramail.store import keys, outbound
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import QueueEntry, QueueRecipient

DESTINATION = "example.org"


@dataclass
class Queue:
    """A queue that is drained, and what it was drained in."""

    engine: MemoryEngine = field(default_factory=MemoryEngine)
    drain: Drain = field(default_factory=lambda: Drain(destination=DESTINATION, since=NOW, pace=Pace()))
    now: float = NOW
    next_id: int = 1

    def put(self, user: str, count: int = 1, arrival: float = NOW - 1000) -> None:
        def write(txn: Txn) -> None:
            for number in range(self.next_id, self.next_id + count):
                to = (QueueRecipient(address=f"{user}@{DESTINATION}"),)
                one = entry(number, arrival=arrival + number / 1000, due=NOW)
                outbound.enqueue(txn, replace(one, recipients=to))

        self.engine.transact(keys.QUEUE, write).result()
        self.next_id += count

    def take(self, room: int | None = None) -> list[QueueEntry]:
        wanted = self.drain.room if room is None else room
        ids = self.engine.read(
            keys.QUEUE,
            lambda snap: self.drain.take(snap, now=self.now, steady=self.now, taken=(), room=wanted),
        )
        found = [self.engine.read(keys.QUEUE, lambda snap, one=one: outbound.entry(snap, one)) for one in ids]
        return [one for one in found if one is not None]

    def done(self, one: QueueEntry, *, good: bool = True, throttled: bool = False) -> None:
        if good:
            self.engine.transact(keys.QUEUE, lambda txn: outbound.complete(txn, one.id)).result()
        self.drain.done(one.id, None if good else one, good=good, throttled=throttled, steady=self.now)

    def run(self) -> Iterator[QueueEntry]:
        while taken := self.take():
            for one in taken:
                yield one
                self.done(one)


@pytest.fixture
def queue() -> Queue:
    return Queue()


def users(taken: list[QueueEntry]) -> list[str]:
    return [one.recipients[0].address.partition("@")[0] for one in taken]


def test_the_oldest_goes_first(queue: Queue) -> None:
    queue.put("ann", 20)
    assert [one.id for one in queue.run()] == list(range(1, 21))
    assert queue.drain.finished


def test_users_take_turns(queue: Queue) -> None:
    queue.put("ann", 100)
    queue.put("ben", 2)
    queue.put("cat", 2)
    assert users(list(queue.run()))[:6] == ["ann", "ben", "cat", "ann", "ben", "cat"]


def test_everything_goes_whatever_its_number(queue: Queue) -> None:
    queue.put("ann", 3 * WINDOW + 7)
    assert len({one.id for one in queue.run()}) == 3 * WINDOW + 7
    assert queue.drain.finished


def test_new_mail_is_not_stuck_behind_old(queue: Queue) -> None:
    queue.put("ann", 500)
    queue.put("ben", 5, arrival=NOW + 1)
    order = users(list(queue.run()))
    assert order.index("ben") < 5 and [at for at, user in enumerate(order) if user == "ben"][-1] < 20


def test_connections_grow_while_it_goes_well(queue: Queue) -> None:
    queue.put("ann", 500)
    seen = []
    for _ in queue.run():
        if not seen or seen[-1] != queue.drain.room:
            seen.append(queue.drain.room)
    assert seen == [1, 2, 5, 10]


def test_throttling_steps_back_and_rests(queue: Queue) -> None:
    queue.put("ann", 500)
    for _ in queue.run():
        if queue.drain.room == 10:
            break
    (first, *_) = queue.take(1)
    queue.done(first, good=False, throttled=True)
    assert queue.drain.room == 5 and queue.take() == []
    queue.now += 29
    assert queue.take() == []
    queue.now += 1
    assert len(queue.take()) == 5


def test_what_was_deferred_comes_again_in_its_time(queue: Queue) -> None:
    queue.put("ann", 2)
    (first,) = queue.take()
    later = replace(first, due=queue.now + 60)
    queue.engine.transact(keys.QUEUE, lambda txn: outbound.update(txn, later)).result()
    queue.drain.done(first.id, later, good=False, throttled=False, steady=queue.now)
    (second,) = queue.take()
    queue.done(second)
    assert queue.take() == []
    queue.now += 61
    assert [one.id for one in queue.take()] == [first.id]


def test_held_and_leased_entries_are_left(queue: Queue) -> None:
    queue.put("ann", 4)
    queue.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, 1, "why")).result()
    queue.engine.transact(keys.QUEUE, lambda txn: outbound.lease(txn, 2, NOW, 60.0, "other")).result()
    assert [one.id for one in queue.run()] == [3, 4]


def test_it_is_not_finished_while_something_is_under_way(queue: Queue) -> None:
    queue.put("ann")
    (one,) = queue.take()
    assert queue.take() == [] and not queue.drain.finished
    queue.done(one)
    assert queue.drain.finished


def test_memory_does_not_grow_with_what_waits(queue: Queue) -> None:
    queue.put("ann", 8 * WINDOW)
    queue.take()
    assert sum(len(mine) for mine in queue.drain._waiting.values()) <= WINDOW
