from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.store.samples import NOW, entry, look, write
from xtramail.model.bucket import CLASS_HELD, CLASS_LOG, PERMANENT, Bucket, bucket_at, bucket_day, bucket_of
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.store import bodies, keys, ledger, outbound, retention
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import BodyRef
from xtramail.store.records import LedgerRow, QueueEntry, RetentionClass

OLD = bucket_of(2000, 16)
HELD = bucket_at(NOW, CLASS_HELD)
CLASSES = {16: RetentionClass(id=16, days=30, owner="a"), 17: RetentionClass(id=17, days=90, owner="b")}


def test_mail_lives_its_days_and_the_rest_of_its_first_day() -> None:
    assert retention.dead_buckets([OLD], CLASSES, 2030) == []
    assert retention.dead_buckets([OLD], CLASSES, 2031) == [OLD]


def test_buckets_die_by_the_days_of_their_class_the_oldest_first() -> None:
    older, other = bucket_of(1999, 16), bucket_of(1999, 17)
    assert retention.dead_buckets([OLD, other, older], CLASSES, 2031) == [older, OLD]
    longer = {**CLASSES, 16: replace(CLASSES[16], days=90)}
    assert retention.dead_buckets([OLD, other, older], longer, 2031) == []



def test_a_bucket_of_a_day_that_a_wrong_clock_showed_lives_from_its_true_day_on() -> None:
    younger = {bucket_day(OLD): 2040}
    assert retention.dead_buckets([OLD], CLASSES, 2070, younger=younger) == []
    assert retention.dead_buckets([OLD], CLASSES, 2071, younger=younger) == [OLD]


def test_permanent_rows_and_unknown_classes_never_die() -> None:
    assert retention.dead_buckets([PERMANENT, bucket_of(1, 99)], CLASSES, 60_000) == []


def test_the_log_is_kept_from_the_day_of_the_oldest_message_that_waits() -> None:
    days = {CLASS_LOG: RetentionClass(id=CLASS_LOG, days=14, owner="log"), **CLASSES}
    logs = [bucket_of(day, CLASS_LOG) for day in (2000, 2001)]
    assert retention.dead_buckets([*logs, OLD], days, 2031) == [logs[0], OLD, logs[1]]
    assert retention.dead_buckets([*logs, OLD], days, 2031, log_from=2001) == [logs[0], OLD]
    engine = MemoryEngine()
    assert look(engine, outbound.oldest_arrival, keys.QUEUE) is None
    arrivals = {number: waiting(engine, number, b"A: b\r\n\r\n").arrival for number in (1, 2)}
    later = replace(entry(3, bucket=OLD, message_id=3, destination="1.example"), arrival=NOW + 1e6)
    write(engine, lambda txn: outbound.enqueue(txn, later), keys.QUEUE)
    assert look(engine, outbound.oldest_arrival, keys.QUEUE) == min(arrivals.values())


def waiting(engine: MemoryEngine, number: int, octets: bytes, bucket: Bucket = OLD, message_id: int = 0) -> QueueEntry:
    message_id = message_id or number
    writer = bodies.BodyWriter(engine, bucket, message_id)
    writer.write(octets)
    ref, tail = writer.finish()
    drive(writer.settled())
    write(engine, lambda txn: bodies.put_chunks(txn, bucket, ref.id, tail), keys.BODY)
    one = replace(entry(number, bucket=bucket, message_id=message_id, destination=f"{number}.example"), body=ref)
    write(engine, lambda txn: outbound.enqueue(txn, one), keys.QUEUE)
    row = LedgerRow(fate=Fate.HELD, at=NOW, destination=one.destination)
    write(engine, lambda txn: ledger.ledger_put(txn, bucket, message_id, f"ann@{number}", row), keys.QUEUE)
    return one


def ref_of(engine: MemoryEngine, number: int) -> BodyRef:
    found = look(engine, lambda snap: outbound.entry(snap, number), keys.QUEUE)
    assert found is not None
    return found.body


def test_open_bodies_leave_a_bucket_with_their_ledger_before_it_is_dropped() -> None:
    engine = MemoryEngine()
    large = b"A: b\r\n\r\n" + b"x" * 65_000 * 20
    waiting(engine, 1, large)
    waiting(engine, 2, b"A: c\r\n\r\nsmall")
    waiting(engine, 3, b"A: d\r\n\r\nnewer", bucket_of(2001, 16))
    assert drive(retention.move_open_bodies(engine, OLD, NOW)) == 2
    engine.drop_bucket(OLD, 0).result()
    assert ref_of(engine, 1).bucket == ref_of(engine, 2).bucket == HELD
    assert ref_of(engine, 3).bucket == bucket_of(2001, 16)
    assert bodies.read(engine, ref_of(engine, 1)) == large
    assert bodies.read(engine, ref_of(engine, 2)) == b"A: c\r\n\r\nsmall"
    balance = look(engine, ledger.balance, keys.QUEUE)
    assert balance.accepted == balance.fates[Fate.HELD] == 3
    assert look(engine, lambda snap: ledger.ledger_of(snap, HELD, 1), keys.QUEUE)["ann@1"].fate == Fate.HELD


def test_two_destinations_of_one_message_move_together() -> None:
    engine = MemoryEngine()
    waiting(engine, 1, b"A: b\r\n\r\n", message_id=9)
    waiting(engine, 2, b"A: b\r\n\r\n", message_id=9)
    assert drive(retention.move_open_bodies(engine, OLD, NOW)) == 1
    assert ref_of(engine, 1) == ref_of(engine, 2) and ref_of(engine, 1).bucket == HELD
    assert set(look(engine, lambda snap: ledger.ledger_of(snap, HELD, 9), keys.QUEUE)) == {"ann@1", "ann@2"}


def test_moving_again_after_a_fault_moves_what_is_left() -> None:
    engine = MemoryEngine()
    waiting(engine, 1, b"A: b\r\n\r\none")
    waiting(engine, 2, b"A: b\r\n\r\ntwo")
    engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        drive(retention.move_open_bodies(engine, OLD, NOW))
    assert drive(retention.move_open_bodies(engine, OLD, NOW)) == 2
    assert drive(retention.move_open_bodies(engine, OLD, NOW)) == 0
    assert look(engine, ledger.balance, keys.QUEUE).holds


def test_a_body_that_is_damaged_does_not_stop_the_others() -> None:
    engine = MemoryEngine()
    waiting(engine, 1, b"A: b\r\n\r\none")
    waiting(engine, 2, b"A: b\r\n\r\ntwo")
    engine.corrupt(OLD, keys.BODY, keys.body_chunk(1, 0))
    assert drive(retention.move_open_bodies(engine, OLD, NOW)) == 1
    assert ref_of(engine, 2).bucket == HELD


def test_a_long_queue_is_read_in_steps() -> None:
    engine = MemoryEngine()
    for number in range(1, 1203):
        one = entry(number, bucket=OLD if number % 2 else HELD)
        write(engine, lambda txn, one=one: outbound.enqueue(txn, one), keys.QUEUE)
    assert [one.id for one in retention.open_entries(engine, OLD)] == list(range(1, 1203, 2))
