"""What every engine does: this file is the definition, each engine is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.harness import MAKES, Harness
from xtramail.model.bucket import PERMANENT, Bucket, bucket_of
from xtramail.model.errors import Corrupt, NoSuchMailbox, NoSuchMessage, StoreFull
from xtramail.store import keys
from xtramail.store.engine import MAX_KEY, MAX_VALUE, Snapshot, Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import UserClock, encode_clock

USER = keys.user_scope(7)
DAY = bucket_of(2500, 16)
NEXT_DAY = bucket_of(2501, 16)


@pytest.fixture(params=MAKES)
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    made = Harness(request.param, tmp_path / "store")
    yield made
    made.engine.close()


def put(key: bytes, value: bytes, bucket: Bucket = PERMANENT) -> Callable[[Txn], None]:
    return lambda txn: txn.put(bucket, key, value)


def rows(
    harness: Harness, scope: bytes = USER, bucket: Bucket = PERMANENT, **options: Any
) -> list[tuple[bytes, bytes]]:
    return harness.engine.read(scope, lambda snapshot: snapshot.range(bucket, b"", b"\xff" * 20, **options))


def test_what_was_committed_is_read(harness: Harness) -> None:
    harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    assert harness.engine.read(USER, lambda snapshot: snapshot.get(PERMANENT, b"k")) == b"v"
    assert harness.engine.read(USER, lambda snapshot: snapshot.get(PERMANENT, b"other")) is None


def test_an_empty_value_is_not_a_missing_one(harness: Harness) -> None:
    harness.done(harness.engine.transact(USER, put(b"k", b"")))
    assert harness.engine.read(USER, lambda snapshot: snapshot.get(PERMANENT, b"k")) == b""


def test_a_transaction_gives_its_functions_result(harness: Harness) -> None:
    assert harness.done(harness.engine.transact(USER, lambda txn: "result")) == "result"
    assert harness.done(harness.engine.transact_all([(USER, lambda txn: 1), (keys.QUEUE, lambda txn: 2)])) == [1, 2]


def test_a_transaction_sees_its_own_writes(harness: Harness) -> None:
    def work(txn: Txn) -> tuple[bytes | None, bytes | None, bool, bool, list[tuple[bytes, bytes]]]:
        txn.put(PERMANENT, b"a", b"1")
        txn.put(PERMANENT, b"b", b"2")
        txn.put(PERMANENT, b"a", b"3")
        before = txn.get(PERMANENT, b"a")
        gone = txn.delete(PERMANENT, b"b")
        again = txn.delete(PERMANENT, b"b")
        return before, txn.get(PERMANENT, b"b"), gone, again, txn.range(PERMANENT, b"", b"z")

    assert harness.done(harness.engine.transact(USER, work)) == (b"3", None, True, False, [(b"a", b"3")])


def test_rows_put_at_once_are_as_if_put_one_by_one(harness: Harness) -> None:
    harness.done(harness.engine.transact(USER, put(b"b", b"old")))
    fresh = [(b"c", b"3"), (b"a", b""), (b"b", b"2" * 3000), (b"a", b"1")]

    def work(txn: Txn) -> list[tuple[bytes, bytes]]:
        txn.put_all(PERMANENT, fresh)
        txn.put_all(PERMANENT, [])
        return txn.range(PERMANENT, b"", b"z")

    assert harness.done(harness.engine.transact(USER, work)) == sorted(dict(fresh).items())
    assert rows(harness) == sorted(dict(fresh).items())


@pytest.mark.parametrize("wrong", [(b"k" * MAX_KEY, b"v"), (b"k", b"v" * (MAX_VALUE + 1))], ids=["key", "value"])
def test_of_rows_put_at_once_none_is_written_when_one_is_too_long(harness: Harness, wrong: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="are allowed"):
        harness.done(harness.engine.transact(USER, lambda txn: txn.put_all(PERMANENT, [(b"a", b"1"), wrong])))
    assert rows(harness) == []


def test_ranges_are_half_open_ordered_and_limited(harness: Harness) -> None:
    def fill(txn: Txn) -> None:
        for key in (b"b", b"a", b"d", b"c"):
            txn.put(PERMANENT, key, key * 2)

    harness.done(harness.engine.transact(USER, fill))

    def keys_of(low: bytes, high: bytes, **options: Any) -> list[bytes]:
        return [key for key, _ in harness.engine.read(USER, lambda s: s.range(PERMANENT, low, high, **options))]

    assert keys_of(b"", b"\xff") == [b"a", b"b", b"c", b"d"]
    assert keys_of(b"b", b"d") == [b"b", b"c"]
    assert keys_of(b"b", b"d", reverse=True) == [b"c", b"b"]
    assert keys_of(b"", b"\xff", limit=2) == [b"a", b"b"]
    assert keys_of(b"", b"\xff", limit=2, reverse=True) == [b"d", b"c"]
    assert keys_of(b"c", b"b") == []
    assert keys_of(b"aa", b"ab") == []


def test_ranges_stay_in_their_scope_and_bucket(harness: Harness) -> None:
    neighbours = [(b"u1", PERMANENT), (b"u1", DAY), (b"u10", PERMANENT), (b"u", DAY), (b"u2", NEXT_DAY)]
    for number, (scope, bucket) in enumerate(neighbours):
        harness.done(harness.engine.transact(scope, put(b"\xff", bytes([number]), bucket)))
    for number, (scope, bucket) in enumerate(neighbours):
        assert rows(harness, scope, bucket) == [(b"\xff", bytes([number]))]
        assert rows(harness, scope, bucket, reverse=True) == [(b"\xff", bytes([number]))]


def test_delete_range_deletes_only_the_range_and_tells_how_many(harness: Harness) -> None:
    def fill(txn: Txn) -> None:
        for number in range(10):
            txn.put(DAY, bytes([number]), b"x")
            txn.put(NEXT_DAY, bytes([number]), b"x")

    harness.done(harness.engine.transact(USER, fill))
    assert harness.done(harness.engine.transact(USER, lambda txn: txn.delete_range(DAY, b"\2", b"\5"))) == 3
    assert harness.done(harness.engine.transact(USER, lambda txn: txn.delete_range(DAY, b"", b"\xff", limit=4))) == 4
    assert [key[0] for key, _ in rows(harness, bucket=DAY)] == [7, 8, 9]
    assert harness.done(harness.engine.transact(USER, lambda txn: txn.delete_range(DAY, b"", b"\xff"))) == 3
    assert len(rows(harness, bucket=NEXT_DAY)) == 10


def test_what_a_function_raises_fails_its_pending_and_writes_nothing(harness: Harness) -> None:
    def refuse(txn: Txn) -> None:
        txn.put(PERMANENT, b"half", b"done")
        raise NoSuchMailbox("gone")

    with pytest.raises(NoSuchMailbox, match="gone"):
        harness.done(harness.engine.transact(USER, refuse))

    def bug(txn: Txn) -> None:
        txn.put(PERMANENT, b"half", b"done")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        harness.done(harness.engine.transact(USER, bug))
    assert rows(harness) == []
    harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    assert rows(harness) == [(b"k", b"v")]


def test_transact_all_writes_every_part_or_none(harness: Harness) -> None:
    def refuse(txn: Txn) -> None:
        raise NoSuchMailbox

    with pytest.raises(NoSuchMailbox):
        harness.done(harness.engine.transact_all([(USER, put(b"k", b"v")), (keys.QUEUE, refuse)]))
    assert rows(harness) == []
    harness.done(harness.engine.transact_all([(USER, put(b"k", b"v")), (keys.QUEUE, put(b"q", b"w"))]))
    assert rows(harness) == [(b"k", b"v")]
    assert rows(harness, keys.QUEUE) == [(b"q", b"w")]


def test_jobs_take_effect_in_the_order_they_were_handed_over(harness: Harness) -> None:
    def add(number: int) -> Callable[[Txn], bytes]:
        def work(txn: Txn) -> bytes:
            value = (txn.get(PERMANENT, b"k") or b"") + bytes([number])
            txn.put(PERMANENT, b"k", value)
            return value

        return work

    order: list[bytes] = []
    pendings = [harness.engine.transact(USER, add(number)) for number in range(100)]
    for pending in pendings:
        pending.when_done(lambda settled: order.append(settled.result()))
    harness.done(pendings[-1])
    assert order == [bytes(range(number + 1)) for number in range(100)]


def test_limits_on_keys_and_values_are_enforced(harness: Harness) -> None:
    room = MAX_KEY - 4 - len(USER) - 1
    harness.done(harness.engine.transact(USER, put(b"k" * room, b"v" * MAX_VALUE)))
    assert rows(harness)[0] == (b"k" * room, b"v" * MAX_VALUE)
    with pytest.raises(ValueError, match="key of 512 octets"):
        harness.done(harness.engine.transact(USER, put(b"k" * (room + 1), b"")))
    with pytest.raises(ValueError, match="value of 65537 octets"):
        harness.done(harness.engine.transact(USER, put(b"k", b"v" * (MAX_VALUE + 1))))


@pytest.mark.parametrize("scope", [b"", b"a\0b"])
def test_a_scope_without_a_name_or_with_nul_is_refused(harness: Harness, scope: bytes) -> None:
    with pytest.raises(ValueError, match="a scope"):
        harness.done(harness.engine.transact(scope, put(b"k", b"v")))
    with pytest.raises(ValueError, match="a scope"):
        harness.engine.read(scope, lambda snapshot: None)


def test_body_chunks_are_read_back_and_precede_what_was_handed_over_later(harness: Harness) -> None:
    harness.engine.append_body(DAY, 5, 0, [b"head", b"one"])
    harness.engine.append_body(DAY, 5, 2, [b"two"])

    def link(txn: Txn) -> bytes | None:
        return txn.get(DAY, keys.body_chunk(5, 2))

    assert harness.done(harness.engine.transact(keys.BODY, link)) == b"two"
    assert [harness.engine.read_body(DAY, 5, chunk) for chunk in range(4)] == [b"head", b"one", b"two", None]
    assert harness.engine.read_body(NEXT_DAY, 5, 0) is None


def test_scopes_with_permanent_rows_are_listed_by_prefix(harness: Harness) -> None:
    for scope in (keys.user_scope(1), keys.user_scope(255), keys.domain_scope("a.example"), keys.STORE):
        harness.done(harness.engine.transact(scope, put(b"k", b"v")))
    harness.done(harness.engine.transact(keys.user_scope(9), put(b"k", b"v", DAY)))
    assert harness.engine.scopes(keys.USER_PREFIX) == [keys.user_scope(1), keys.user_scope(255)]
    assert harness.engine.scopes(b"d") == [keys.domain_scope("a.example")]
    assert harness.engine.scopes(b"zz") == []


def test_buckets_lists_those_with_rows_of_any_scope(harness: Harness) -> None:
    highest = bucket_of(0xFFFF, 0xFFFF)
    harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    harness.done(harness.engine.transact(USER, put(b"k", b"v", NEXT_DAY)))
    harness.done(harness.engine.transact(keys.LOG, put(b"k", b"v", DAY)))
    harness.done(harness.engine.transact(keys.LOG, put(b"k", b"v", highest)))
    assert harness.engine.buckets() == [DAY, NEXT_DAY, highest]
    assert harness.engine.read(b"zz", lambda snapshot: snapshot.buckets()) == [DAY, NEXT_DAY, highest]


def test_a_dropped_buckets_rows_are_invisible_at_once(harness: Harness) -> None:
    for bucket in (DAY, NEXT_DAY):
        harness.done(harness.engine.transact(USER, put(b"k", b"v", bucket)))
        harness.done(harness.engine.append_body(bucket, 1, 0, [b"chunk"]))
    stamp = harness.done(harness.engine.drop_bucket(DAY, 1_000))

    def look(snapshot: Snapshot) -> tuple[Any, ...]:
        return (
            snapshot.get(DAY, b"k"),
            snapshot.range(DAY, b"", b"z"),
            snapshot.range(DAY, b"", b"z", reverse=True),
            snapshot.buckets(),
            dict(snapshot.dropped()),
            snapshot.newest_drop(),
        )

    assert harness.engine.read(USER, look) == (None, [], [], [NEXT_DAY], {DAY: stamp}, stamp)
    assert harness.done(harness.engine.transact(USER, look))[0] is None
    assert harness.engine.read_body(DAY, 1, 0) is None
    assert harness.engine.read_body(NEXT_DAY, 1, 0) == b"chunk"
    assert harness.engine.buckets() == [DAY, NEXT_DAY]


def test_nothing_is_written_or_deleted_in_a_dropped_bucket(harness: Harness) -> None:
    harness.done(harness.engine.transact(USER, put(b"k", b"v", DAY)))
    harness.done(harness.engine.drop_bucket(DAY, 1_000))
    with pytest.raises(NoSuchMessage):
        harness.done(harness.engine.transact(USER, put(b"k2", b"v", DAY)))
    with pytest.raises(NoSuchMessage):
        harness.done(harness.engine.append_body(DAY, 1, 0, [b"chunk"]))
    with pytest.raises(NoSuchMessage):
        harness.done(harness.engine.transact(USER, lambda txn: txn.put_all(DAY, [(b"k2", b"v")])))
    assert harness.done(harness.engine.transact(USER, lambda txn: txn.delete(DAY, b"k"))) is False
    assert harness.done(harness.engine.transact(USER, lambda txn: txn.delete_range(DAY, b"", b"z"))) == 0


def test_sweeping_takes_a_dropped_bucket_away_in_steps_and_keeps_its_stamp(harness: Harness) -> None:
    def fill(txn: Txn) -> None:
        for number in range(25):
            txn.put(DAY, bytes([number]), b"x")

    harness.done(harness.engine.transact_all([(USER, fill), (keys.LOG, fill)]))
    harness.done(harness.engine.transact(USER, put(b"k", b"v", NEXT_DAY)))
    stamp = harness.done(harness.engine.drop_bucket(DAY, 1_000))
    steps = []
    while deleted := harness.done(harness.engine.sweep_bucket(DAY, 20)):
        steps.append(deleted)
    assert steps == [20, 20, 10]
    assert harness.engine.buckets() == [NEXT_DAY]
    assert harness.done(harness.engine.sweep_bucket(DAY, 20)) == 0
    assert harness.engine.read(USER, lambda snapshot: dict(snapshot.dropped())) == {DAY: stamp}


def test_only_a_dropped_bucket_is_swept_and_the_permanent_one_is_never_dropped(harness: Harness) -> None:
    harness.done(harness.engine.transact(USER, put(b"k", b"v", DAY)))
    with pytest.raises(ValueError, match="not dropped"):
        harness.done(harness.engine.sweep_bucket(DAY, 10))
    with pytest.raises(ValueError, match="never dropped"):
        harness.done(harness.engine.drop_bucket(PERMANENT, 10))
    with pytest.raises(ValueError, match="not dropped"):
        harness.done(harness.engine.sweep_bucket(PERMANENT, 10))


def test_drop_stamps_grow_whatever_the_clock_says(harness: Harness) -> None:
    days = [bucket_of(2500 + number, 16) for number in range(4)]
    clock = (50, 10, 10, 70)
    stamps = [harness.done(harness.engine.drop_bucket(day, now)) for day, now in zip(days, clock, strict=True)]
    assert stamps == [50, 51, 52, 70]
    assert harness.done(harness.engine.drop_bucket(days[0], 99)) == 50
    assert harness.engine.read(USER, lambda snapshot: snapshot.newest_drop()) == 70


def test_a_drop_stamp_is_above_every_modseq_ever_given(harness: Harness) -> None:
    for account, modseq in ((1, 500), (2, 90_000), (3, 7)):
        clock = encode_clock(UserClock(modseq=modseq))
        harness.done(harness.engine.transact(keys.user_scope(account), put(keys.CLOCK, clock)))
    assert harness.done(harness.engine.drop_bucket(DAY, 1_000)) == 90_001


def test_a_drop_is_one_commit_with_what_was_handed_over_before_it(harness: Harness) -> None:
    first = harness.engine.transact(USER, put(b"k", b"v", DAY))
    drop = harness.engine.drop_bucket(DAY, 1_000)
    late = harness.engine.transact(USER, put(b"k", b"v", DAY))
    failures: list[str] = []
    late.when_done(lambda settled: failures.append("done"))
    with pytest.raises(NoSuchMessage):
        harness.done(late)
    assert first.done and drop.done and failures == ["done"]


def test_a_changed_value_is_never_returned_and_its_neighbours_are(harness: Harness) -> None:
    for key in (b"a", b"b", b"c"):
        harness.done(harness.engine.transact(USER, put(key, key * 100, DAY)))
    harness.flip_bit(DAY, USER, b"b")
    with pytest.raises(Corrupt):
        harness.engine.read(USER, lambda snapshot: snapshot.get(DAY, b"b"))
    intact = [(b"a", b"a" * 100), (b"c", b"c" * 100)]
    assert rows(harness, bucket=DAY) == intact
    assert rows(harness, bucket=DAY, reverse=True) == intact[::-1]
    assert harness.corrupt == [(DAY, USER, b"b")] * 2
    harness.done(harness.engine.transact(USER, put(b"b", b"again", DAY)))
    assert harness.engine.read(USER, lambda snapshot: snapshot.get(DAY, b"b")) == b"again"


def test_a_peek_sees_what_a_read_sees(harness: Harness) -> None:
    def peeked(bucket: Bucket, key: bytes) -> bytes | None:
        value = harness.engine.peek(USER, lambda peek: bytes(found) if (found := peek.get(bucket, key)) else None)
        assert value == harness.engine.read(USER, lambda snapshot: snapshot.get(bucket, key))
        return value

    harness.done(harness.engine.transact(USER, put(b"k", b"v" * 5000, DAY)))
    harness.done(harness.engine.transact(USER, put(b"k", b"w", NEXT_DAY)))
    assert (peeked(DAY, b"k"), peeked(NEXT_DAY, b"k"), peeked(DAY, b"none")) == (b"v" * 5000, b"w", None)
    harness.done(harness.engine.drop_bucket(NEXT_DAY, 1_000))
    assert (peeked(DAY, b"k"), peeked(NEXT_DAY, b"k")) == (b"v" * 5000, None)
    harness.flip_bit(DAY, USER, b"k")
    with pytest.raises(Corrupt):
        harness.engine.peek(USER, lambda peek: peek.get(DAY, b"k"))


def test_sealed_rows_are_those_of_a_range_and_carry_what_the_engine_added(harness: Harness) -> None:
    many = [number.to_bytes(2, "big") for number in range(200)]
    for key in many:
        harness.done(harness.engine.transact(USER, put(key, key * 20, DAY)))
    harness.done(harness.engine.transact(USER, put(b"\0\5", b"elsewhere", NEXT_DAY)))
    for low, high in ((0, 200), (3, 3), (3, 4), (10, 138), (64, 128), (199, 300), (300, 400)):
        first, last = low.to_bytes(2, "big"), high.to_bytes(2, "big")
        expected = harness.engine.read(USER, lambda snapshot: snapshot.range(DAY, first, last))  # noqa: B023
        found = harness.engine.read(USER, lambda snapshot: snapshot.sealed(DAY, first, last))  # noqa: B023
        assert [(key[-2:], value[:-4]) for key, value in found] == expected
    wanted = [many[7], b"absent", many[3]]
    values = harness.engine.read(USER, lambda snapshot: snapshot.sealed_at(DAY, wanted))
    assert [value and value[:-4] for value in values] == [many[7] * 20, None, many[3] * 20]


def test_a_changed_value_is_not_among_sealed_ones(harness: Harness) -> None:
    for key in (b"a", b"b", b"c"):
        harness.done(harness.engine.transact(USER, put(key, key * 100, DAY)))
    harness.flip_bit(DAY, USER, b"b")
    found = harness.engine.read(USER, lambda snapshot: snapshot.sealed(DAY, b"a", b"d"))
    assert [key[-1:] for key, _ in found] == [b"a", b"c"]
    values = harness.engine.read(USER, lambda snapshot: snapshot.sealed_at(DAY, [b"a", b"b"]))
    assert [value is None for value in values] == [False, True]
    assert harness.corrupt == [(DAY, USER, b"b")] * 2
    harness.done(harness.engine.drop_bucket(DAY, 1_000))
    assert harness.engine.read(USER, lambda snapshot: snapshot.sealed(DAY, b"a", b"d")) == []
    assert harness.engine.read(USER, lambda snapshot: snapshot.sealed_at(DAY, [b"a"])) == [None]


def test_a_drop_mark_that_cannot_be_read_still_hides_its_bucket(harness: Harness) -> None:
    harness.done(harness.engine.transact(USER, put(b"k", b"v", DAY)))
    harness.done(harness.engine.drop_bucket(DAY, 1_000))
    harness.done(harness.engine.drop_bucket(NEXT_DAY, 2_000))
    harness.flip_bit(PERMANENT, keys.STORE, keys.drop_mark(DAY))
    assert rows(harness, bucket=DAY) == []
    assert harness.engine.read(USER, lambda snapshot: dict(snapshot.dropped())) == {DAY: 2_000, NEXT_DAY: 2_000}


def test_while_the_newest_commit_is_the_same_nothing_has_changed(harness: Harness) -> None:
    engine = harness.engine
    harness.done(engine.transact(USER, put(b"k", b"v")))
    first = engine.newest_commit()
    assert engine.read(USER, lambda snapshot: snapshot.commit_number()) == engine.newest_commit() == first
    inside = harness.done(engine.transact(USER, lambda txn: (txn.put(PERMANENT, b"k", b"w"), txn.commit_number())))
    assert inside[1] == engine.newest_commit() == engine.lone_commit() > first
    harness.done(engine.drop_bucket(DAY, 1_000))
    assert engine.newest_commit() > inside[1]


def test_domain_writes_count_what_is_written_of_domains_before_it_is_told_and_nothing_else(harness: Harness) -> None:
    engine, domain = harness.engine, keys.domain_scope("local.example")
    first = engine.domain_writes()
    harness.done(engine.transact_all([(USER, put(b"k", b"v")), (keys.QUEUE, put(b"k", b"v"))]))
    assert engine.domain_writes() == first
    told: list[int] = []
    alone = engine.transact(domain, put(b"k", b"v"))
    alone.when_done(lambda _: told.append(engine.domain_writes()))
    harness.done(alone)
    together = engine.transact_all([(USER, put(b"k", b"v")), (domain, put(b"k", b"w"))])
    together.when_done(lambda _: told.append(engine.domain_writes()))
    harness.done(together)
    assert first < told[0] < told[1] == engine.domain_writes()


def test_watchers_hear_of_their_scope_only_and_until_they_stop(harness: Harness) -> None:
    heard: list[str] = []
    stop = harness.engine.watch(USER, lambda: heard.append("user"))
    harness.engine.watch(keys.QUEUE, lambda: heard.append("queue"))
    harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    assert heard == ["user"]
    harness.done(harness.engine.transact_all([(USER, put(b"k", b"w")), (keys.QUEUE, put(b"k", b"w"))]))
    assert sorted(heard) == ["queue", "user", "user"]
    heard.clear()
    stop()
    stop()
    harness.done(harness.engine.transact(USER, put(b"k", b"x")))
    assert heard == []


def test_watchers_do_not_hear_of_reads_and_failures(harness: Harness) -> None:
    heard: list[str] = []
    harness.engine.watch(USER, lambda: heard.append("user"))

    def refuse(txn: Txn) -> None:
        txn.put(PERMANENT, b"k", b"v")
        raise NoSuchMailbox

    with pytest.raises(NoSuchMailbox):
        harness.done(harness.engine.transact(USER, refuse))
    harness.done(harness.engine.transact(USER, lambda txn: txn.get(PERMANENT, b"k")))
    harness.engine.read(USER, lambda snapshot: snapshot.get(PERMANENT, b"k"))
    assert heard == []


def test_a_drop_wakes_everybody(harness: Harness) -> None:
    heard: list[str] = []
    harness.engine.watch(USER, lambda: heard.append("user"))
    harness.engine.watch(keys.user_scope(8), lambda: heard.append("other"))
    harness.done(harness.engine.drop_bucket(DAY, 1_000))
    assert sorted(heard) == ["other", "user"]


def test_a_watcher_sees_what_it_was_woken_for_after_the_pending_was_settled(harness: Harness) -> None:
    seen: list[tuple[bytes | None, bool]] = []

    def look() -> None:
        seen.append((harness.engine.read(USER, lambda s: s.get(PERMANENT, b"k")), pending.done))

    harness.engine.watch(USER, look)
    # On engines that settle at once the first commit happens before ``pending`` has a name.
    pending = harness.engine.transact(keys.QUEUE, put(b"q", b"v"))
    harness.done(pending)
    harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    assert seen == [(b"v", True)]


def test_a_watcher_that_raises_does_not_silence_the_others(harness: Harness) -> None:
    heard: list[str] = []

    def broken() -> None:
        raise ZeroDivisionError

    harness.engine.watch(USER, broken)
    harness.engine.watch(USER, lambda: heard.append("second"))
    with pytest.raises(ZeroDivisionError):
        harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    assert heard == ["second"]


def test_poll_is_quiet_about_our_own_commits(harness: Harness) -> None:
    harness.engine.poll()
    harness.done(harness.engine.transact(USER, put(b"k", b"v")))
    harness.done(harness.engine.transact(USER, lambda txn: None))
    assert harness.engine.poll() is False


def test_there_is_room_and_some_is_used(harness: Harness) -> None:
    before = harness.engine.used_bytes()
    for number in range(40):
        harness.done(harness.engine.append_body(DAY, number, 0, [bytes([number]) * 60_000]))
    assert harness.engine.used_bytes() > before
    assert harness.engine.free_bytes() > 0


@pytest.mark.parametrize("make", MAKES)
def test_a_full_store_refuses_what_does_not_fit_and_takes_what_does(make: str, tmp_path: Path) -> None:
    options = {"capacity": 256 << 10} if make == "memory" else {"map_size": 256 << 10}
    harness = Harness(make, tmp_path / "store", **options)
    large = harness.engine.append_body(DAY, 1, 0, [b"x" * 60_000] * 8)
    small = harness.engine.transact(USER, put(b"k", b"v", DAY))
    harness.done(small)
    with pytest.raises(StoreFull):
        harness.done(large)
    assert rows(harness, bucket=DAY) == [(b"k", b"v")]
    assert harness.engine.read_body(DAY, 1, 0) is None
    many = [(b"m%d" % number, b"x" * 60_000) for number in range(8)]
    with pytest.raises(StoreFull):
        harness.done(harness.engine.transact(USER, lambda txn: txn.put_all(DAY, many)))
    assert rows(harness, bucket=DAY) == [(b"k", b"v")]
    harness.done(harness.engine.transact(USER, lambda txn: txn.delete(DAY, b"k")))
    assert rows(harness, bucket=DAY) == []
    harness.engine.close()


BUCKETS = (PERMANENT, DAY, NEXT_DAY)
SCOPES = (USER, keys.user_scope(8), keys.QUEUE)
KEYS = st.binary(min_size=0, max_size=2)
STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(BUCKETS), KEYS, st.binary(max_size=3)),
    st.tuples(
        st.just("put_all"), st.sampled_from(BUCKETS), st.lists(st.tuples(KEYS, st.binary(max_size=3)), max_size=4)
    ),
    st.tuples(st.just("delete"), st.sampled_from(BUCKETS), KEYS),
    st.tuples(st.just("delete_range"), st.sampled_from(BUCKETS), KEYS, KEYS, st.integers(0, 3)),
    st.tuples(st.just("range"), st.sampled_from(BUCKETS), KEYS, KEYS, st.integers(0, 3), st.booleans()),
    st.tuples(st.just("raise")),
)
PART = st.tuples(st.sampled_from(SCOPES), st.lists(STEP, max_size=4))
COMMAND = st.one_of(
    st.tuples(st.just("transact"), st.lists(PART, max_size=3)),
    st.tuples(st.just("drop"), st.sampled_from(BUCKETS[1:]), st.integers(0, 100)),
    st.tuples(st.just("sweep"), st.sampled_from(BUCKETS[1:]), st.integers(1, 3)),
)


def steps(wanted: list[tuple[Any, ...]]) -> Callable[[Txn], list[Any]]:
    def work(txn: Txn) -> list[Any]:
        results: list[Any] = []
        for step in wanted:
            match step:
                case ("put", bucket, key, value):
                    results.append(txn.put(bucket, key, value))
                case ("put_all", bucket, many):
                    results.append(txn.put_all(bucket, many))
                case ("delete", bucket, key):
                    results.append(txn.delete(bucket, key))
                case ("delete_range", bucket, low, high, limit):
                    results.append(txn.delete_range(bucket, low, high, limit=limit))
                case ("range", bucket, low, high, limit, reverse):
                    results.append(txn.range(bucket, low, high, limit=limit, reverse=reverse))
                case _:
                    raise NoSuchMailbox
        return results

    return work


def run(harness: Harness, command: tuple[Any, ...]) -> Any:
    try:
        match command:
            case ("transact", parts):
                return harness.done(harness.engine.transact_all([(scope, steps(wanted)) for scope, wanted in parts]))
            case ("drop", bucket, now):
                return harness.done(harness.engine.drop_bucket(bucket, now))
            case (_, bucket, limit):
                return harness.done(harness.engine.sweep_bucket(bucket, limit))
    except (NoSuchMailbox, NoSuchMessage, ValueError) as error:
        return repr(error)


def everything(harness: Harness) -> list[Any]:
    found: list[Any] = [harness.engine.buckets(), harness.engine.scopes(b"")]
    for scope in (*SCOPES, keys.STORE):
        found.extend(rows(harness, scope, bucket) for bucket in BUCKETS)
        found.append(harness.engine.read(scope, lambda s: (s.buckets(), dict(s.dropped()), s.newest_drop())))
    return found


@settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands=st.lists(COMMAND, max_size=12))
def test_random_transactions_leave_both_engines_equal(
    tmp_path_factory: pytest.TempPathFactory, commands: list[tuple[Any, ...]]
) -> None:
    memory = Harness("memory", Path("unused"))
    lmdb = Harness("lmdb", tmp_path_factory.mktemp("equal"))
    for command in commands:
        assert run(memory, command) == run(lmdb, command)
    assert everything(memory) == everything(lmdb)
    lmdb.engine.close()


def test_the_memory_engine_rejects_functions_that_do_something_else_the_second_time() -> None:
    engine = MemoryEngine()
    times: list[int] = []

    def unrepeatable(txn: Txn) -> None:
        times.append(1)
        txn.put(PERMANENT, b"k", bytes([len(times)]))

    with pytest.raises(AssertionError, match="something else"):
        engine.transact(USER, unrepeatable).result()
    assert engine.contents() == []


def test_the_memory_engine_fails_commits_when_told_and_pauses() -> None:
    engine = MemoryEngine()
    engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        engine.transact(USER, put(b"k", b"v")).result()
    engine.pause()
    pending = engine.transact(USER, put(b"k", b"v"))
    assert not pending.done and engine.contents() == []
    engine.resume()
    assert pending.done and len(engine.contents()) == 1
