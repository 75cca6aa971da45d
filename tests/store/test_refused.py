"""Refusals by time: what is read back of them, by domain, window and number, over the end of a day too."""

from __future__ import annotations

from tests.store.samples import NOW
from xtramail.model.bucket import CLASS_LOG, bucket_at
from xtramail.store import keys, refused
from xtramail.store.memory_engine import MemoryEngine

DAY = 86_400.0


def written(*rows: tuple[str, float, str]) -> MemoryEngine:
    engine = MemoryEngine()
    for domain, at, address in rows:
        engine.transact(
            keys.LOG, lambda txn, d=domain, t=at, a=address: refused.record(txn, d, [a], t)  # type: ignore[misc]
        ).result()
    return engine


def since(engine: MemoryEngine, domain: str, at: float, most: int = 100) -> dict[str, float]:
    return engine.read(keys.LOG, lambda snap: refused.since(snap, domain, at, most))


def test_of_each_the_last_time_counts_and_the_oldest_comes_first() -> None:
    engine = written(("a.test", NOW, "x@a.test"), ("a.test", NOW + 1, "ý@a.test"), ("a.test", NOW + 2, "x@a.test"))
    assert list(since(engine, "a.test", NOW).items()) == [("ý@a.test", NOW + 1), ("x@a.test", NOW + 2)]


def test_other_domains_and_other_times_are_left_out() -> None:
    engine = written(("a.test", NOW - 1, "x@a.test"), ("a.test", NOW, "y@a.test"), ("b.test", NOW, "z@b.test"))
    assert list(since(engine, "a.test", NOW)) == ["y@a.test"]


def test_a_window_over_midnight_is_read_whole_and_goes_with_its_days() -> None:
    engine = written(("a.test", NOW, "x@a.test"), ("a.test", NOW + DAY, "y@a.test"))
    assert list(since(engine, "a.test", NOW)) == ["x@a.test", "y@a.test"]
    engine.drop_bucket(bucket_at(NOW, CLASS_LOG), 1).result()
    assert list(since(engine, "a.test", NOW)) == ["y@a.test"]


def test_of_very_many_the_newest_are_read() -> None:
    engine = written(*(("a.test", NOW + n * DAY / 4, f"{n}@a.test") for n in range(12)))
    assert list(since(engine, "a.test", NOW, most=5)) == [f"{n}@a.test" for n in range(7, 12)]
