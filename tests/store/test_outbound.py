from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from tests.store.samples import NOW, entry, look, write
from xtramail.model.bucket import PERMANENT
from xtramail.store import keys, outbound, queue_keys
from xtramail.store.engine import Snapshot
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import BodyRef
from xtramail.store.records import Destination, QueueEntry


def enqueue(engine: MemoryEngine, *entries: QueueEntry) -> None:
    for one in entries:
        write(engine, lambda txn, one=one: outbound.enqueue(txn, one), keys.QUEUE)


def due(engine: MemoryEngine, now: float, limit: int = 100) -> list[int]:
    def every(snap: Snapshot) -> list[int]:
        return [one for name in outbound.due_destinations(snap, now) for one in outbound.due(snap, name, now, limit)]

    return look(engine, every, keys.QUEUE)


def found(engine: MemoryEngine, number: int = 1) -> QueueEntry | None:
    return look(engine, lambda snap: outbound.entry(snap, number), keys.QUEUE)


def lease(engine: MemoryEngine, number: int, now: float, owner: str = "a") -> QueueEntry | None:
    return write(engine, lambda txn: outbound.lease(txn, number, now, 60, owner), keys.QUEUE)


def close(engine: MemoryEngine, name: str, state: str = "held") -> None:
    row = Destination(name=name, state=state, reason="why", since=NOW)
    write(engine, lambda txn: outbound.set_destination(txn, row), keys.QUEUE)


def clear(engine: MemoryEngine, name: str) -> None:
    write(engine, lambda txn: outbound.clear_destination(txn, name), keys.QUEUE)


def test_entries_are_due_in_the_order_of_their_time() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1, due=NOW + 20), entry(2, due=NOW + 10), entry(3, due=NOW + 30), entry(4, held=True))
    assert due(engine, NOW + 5) == []
    assert due(engine, NOW + 20) == [2, 1]
    assert due(engine, NOW + 99, limit=2) == [2, 1]
    assert look(engine, lambda snap: outbound.later(snap, "example.org", NOW + 10), keys.QUEUE) == [1, 3]


def test_destinations_are_found_by_what_is_due_first_of_each() -> None:
    engine = MemoryEngine()
    enqueue(engine, *(entry(number, due=NOW, destination="full.example") for number in range(1, 30)))
    enqueue(engine, entry(40, due=NOW + 5, destination="a.example"), entry(41, due=NOW + 6, destination="b.example"))
    found_at = {at: look(engine, lambda s, at=at: outbound.due_destinations(s, NOW + at), keys.QUEUE) for at in (-1, 5)}
    assert found_at[-1] == []
    assert sorted(found_at[5]) == ["a.example", "full.example"]
    assert look(engine, lambda snap: outbound.due(snap, "a.example", NOW + 5), keys.QUEUE) == [40]


def test_a_destination_may_be_an_address_beyond_ascii() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1, due=NOW, destination="zo\u00eb@example.org"))
    assert look(engine, lambda snap: outbound.due_destinations(snap, NOW), keys.QUEUE) == ["zo\u00eb@example.org"]
    assert due(engine, NOW) == [1]


def test_an_id_is_taken_once() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    with pytest.raises(ValueError):
        enqueue(engine, entry(1, destination="other.example"))


def test_a_leased_entry_belongs_to_one_until_the_lease_runs_out() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    leased = lease(engine, 1, NOW)
    assert leased is not None and (leased.lease_owner, leased.lease_until) == ("a", NOW + 60)
    assert lease(engine, 1, NOW + 59, owner="b") is None
    assert due(engine, NOW + 59) == []
    assert due(engine, NOW + 60) == [1]
    assert lease(engine, 1, NOW + 60, owner="b") is not None


def test_the_owner_of_a_lease_may_extend_it() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    lease(engine, 1, NOW)
    extended = lease(engine, 1, NOW + 30)
    assert extended is not None and extended.lease_until == NOW + 90


def test_an_update_moves_the_entry_in_its_indexes() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    leased = lease(engine, 1, NOW)
    assert leased is not None
    later = replace(leased, lease_until=0.0, lease_owner="", due=NOW + 500, destination="other.example")
    write(engine, lambda txn: outbound.update(txn, later), keys.QUEUE)
    assert due(engine, NOW + 499) == [] and due(engine, NOW + 500) == [1]
    assert look(engine, outbound.destinations, keys.QUEUE) == ["other.example"]


def test_an_update_leaves_a_body_where_it_was_moved_to() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    stale = found(engine)
    assert stale is not None
    moved = BodyRef(bucket=PERMANENT, id=1, size=30, header_length=10)
    write(engine, lambda txn: outbound.repoint(txn, 1, moved), keys.QUEUE)
    write(engine, lambda txn: outbound.update(txn, replace(stale, attempts=1)), keys.QUEUE)
    now = found(engine)
    assert now is not None and (now.body, now.attempts) == (moved, 1)


def test_a_completed_entry_leaves_nothing() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    lease(engine, 1, NOW)
    assert write(engine, lambda txn: outbound.complete(txn, 1), keys.QUEUE)
    assert not write(engine, lambda txn: outbound.complete(txn, 1), keys.QUEUE)
    assert lease(engine, 1, NOW + 100) is None
    assert engine.contents() == []


def test_a_destinations_entries_come_by_arrival_whatever_their_ids() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1, arrival=NOW + 2), entry(2, arrival=NOW + 1), entry(3, destination="other.example"))
    listed = look(engine, lambda snap: outbound.entries(snap, "example.org"), keys.QUEUE)
    assert [one.id for one in listed] == [2, 1]
    assert [one.id for one in look(engine, outbound.entries, keys.QUEUE)] == [1, 2, 3]
    assert look(engine, outbound.destinations, keys.QUEUE) == ["example.org", "other.example"]
    assert [one.id for one in look(engine, lambda s: outbound.entries_after(s, 1, 1), keys.QUEUE)] == [2]


def test_a_held_entry_waits_for_its_release() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1))
    write(engine, lambda txn: outbound.hold(txn, 1, "looks odd"), keys.QUEUE)
    assert due(engine, NOW + 10**6) == [] and lease(engine, 1, NOW) is None
    freed = write(engine, lambda txn: outbound.release(txn, 1, NOW + 5), keys.QUEUE)
    assert freed is not None and not freed.held
    assert due(engine, NOW + 5) == [1]


def test_a_closed_destination_is_not_leased_and_rewrites_nothing() -> None:
    engine = MemoryEngine()
    enqueue(engine, entry(1), entry(2, destination="other.example"))
    close(engine, "example.org")
    enqueue(engine, entry(3))
    assert sorted(due(engine, NOW)) == [1, 2, 3]
    assert lease(engine, 1, NOW) is None and lease(engine, 2, NOW) is not None
    clear(engine, "example.org")
    assert lease(engine, 1, NOW) is not None


@pytest.mark.parametrize("state", ["down", "held"])
def test_a_destination_is_closed_while_it_is_down_or_held(state: str) -> None:
    engine = MemoryEngine()
    close(engine, "example.org", state)
    row = look(engine, lambda snap: outbound.destination_closed(snap, "example.org"), keys.QUEUE)
    assert row is not None and (row.state, row.reason) == (state, "why")


def test_a_draining_destination_is_unusual_and_not_closed() -> None:
    engine = MemoryEngine()
    close(engine, "b.example", "recovering")
    close(engine, "a.example", "down")
    assert look(engine, lambda snap: outbound.destination_closed(snap, "b.example"), keys.QUEUE) is None
    names = [row.name for row in look(engine, outbound.unusual_destinations, keys.QUEUE)]
    assert sorted(names) == ["a.example", "b.example"]


def test_entries_by_arrival_are_walked_in_steps_and_up_to_a_time() -> None:
    engine = MemoryEngine()
    enqueue(engine, *[entry(number, arrival=NOW + number) for number in range(1, 6)])

    def walk(snap: Snapshot) -> list[list[int]]:
        steps, place = [], b""
        while rows := outbound.arrivals(snap, "example.org", after=place, before=NOW + 5, limit=3):
            steps.append([number for _, number in rows])
            place = rows[-1][0]
        return steps

    assert look(engine, walk, keys.QUEUE) == [[1, 2, 3], [4]]
    fresh = outbound.place_from("example.org", NOW + 4)
    later = look(engine, lambda snap: outbound.arrivals(snap, "example.org", after=fresh), keys.QUEUE)
    assert [number for _, number in later] == [4, 5]


class Queue(RuleBasedStateMachine):
    """Random work on a queue: the indexes always say what the entries say."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = MemoryEngine()
        self.now = NOW
        self.closed: set[str] = set()
        self.next_id = 1

    @rule(destination=st.sampled_from(["a.example", "b.example"]), delay=st.integers(0, 100), held=st.booleans())
    def put_in(self, destination: str, delay: int, held: bool) -> None:
        one = entry(self.next_id, destination=destination, arrival=self.now, due=self.now + delay, held=held)
        enqueue(self.engine, one)
        self.next_id += 1

    @rule(pick=st.integers(1, 12), owner=st.sampled_from("ab"))
    def lease(self, pick: int, owner: str) -> None:
        before = found(self.engine, pick)
        leased = lease(self.engine, pick, self.now, owner)
        free = before is not None and not (before.lease_until > self.now and before.lease_owner != owner)
        allowed = free and before is not None and not before.held and before.destination not in self.closed
        assert (leased is not None) == allowed

    @rule(pick=st.integers(1, 12), delay=st.integers(0, 100))
    def defer(self, pick: int, delay: int) -> None:
        before = found(self.engine, pick)
        if before is not None:
            later = replace(before, due=self.now + delay, lease_until=0.0, lease_owner="", attempts=before.attempts + 1)
            write(self.engine, lambda txn: outbound.update(txn, later), keys.QUEUE)

    @rule(pick=st.integers(1, 12))
    def complete(self, pick: int) -> None:
        there = found(self.engine, pick) is not None
        assert write(self.engine, lambda txn: outbound.complete(txn, pick), keys.QUEUE) == there

    @rule(pick=st.integers(1, 12), hold=st.booleans())
    def hold_or_release(self, pick: int, hold: bool) -> None:
        if hold:
            write(self.engine, lambda txn: outbound.hold(txn, pick, "why"), keys.QUEUE)
        else:
            write(self.engine, lambda txn: outbound.release(txn, pick, self.now), keys.QUEUE)

    @rule(destination=st.sampled_from(["a.example", "b.example"]), close_it=st.booleans())
    def close_or_clear(self, destination: str, close_it: bool) -> None:
        if close_it:
            self.closed.add(destination)
            close(self.engine, destination)
        else:
            self.closed.discard(destination)
            clear(self.engine, destination)

    @rule(seconds=st.integers(-50, 100))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def indexes_agree_with_entries(self) -> None:
        look(self.engine, self._check, keys.QUEUE)

    def _check(self, snap: Snapshot) -> None:
        entries = outbound.entries(snap)
        timed = {(key) for key, _ in snap.range(PERMANENT, queue_keys.DUE, keys.after(queue_keys.DUE))}
        wanted = {outbound.due_key(one) for one in entries if not one.held}
        assert timed == wanted
        low = queue_keys.BY_DESTINATION
        placed = {key for key, _ in snap.range(PERMANENT, low, keys.after(low))}
        assert placed == {queue_keys.by_destination(one.destination, one.arrival, one.id) for one in entries}


TestQueueIndexes = Queue.TestCase
TestQueueIndexes.settings = settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=40)
