from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.store.samples import NOW, look, write
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_of
from xtramail.model.ids import id_at, id_seconds
from xtramail.store import keys, tracking
from xtramail.store.engine import Engine, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import LogEvent
from xtramail.store.tracking import Query

MONDAY, TUESDAY = bucket_of(2000, CLASS_LOG), bucket_of(2001, CLASS_LOG)


@pytest.fixture(params=["memory", "lmdb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made: Engine = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path / "store", create=True)
    yield made
    made.close()


def record(engine: Engine, event: LogEvent, bucket: Bucket = MONDAY) -> None:
    write(engine, lambda txn: tracking.record(txn, bucket, event), keys.LOG)


def received(
    at: float = NOW, message_id: int = 1, recipients: tuple[str, ...] = ("Ann@Example.org",), subject: str = ""
) -> LogEvent:
    return LogEvent(
        at=at,
        message_id=message_id,
        kind="received",
        sender="bob@example.net",
        recipients=recipients,
        fields={"message-id": f"<{message_id}@example.net>", "subject": subject},
    )


def test_the_story_of_a_message_goes_over_days_in_order(engine: Engine) -> None:
    record(engine, LogEvent(at=NOW + 90_000, message_id=1, kind="delivered", text="250 ok"), TUESDAY)
    record(engine, received())
    record(engine, received(message_id=2))
    story = look(engine, lambda snap: tracking.events_of(snap, 1), keys.LOG)
    assert [event.kind for event in story] == ["received", "delivered"]


def found(engine: Engine, limit: int = 100, **query: Any) -> list[int]:
    result = look(engine, lambda snap: tracking.search(snap, Query(**query), limit), keys.LOG)
    return list(result.ids)


def test_an_address_finds_its_messages_whatever_its_case(engine: Engine) -> None:
    record(engine, received())
    record(engine, LogEvent(at=NOW + 5, message_id=1, kind="delivered"), TUESDAY)
    record(engine, received(message_id=2, recipients=("carl@example.org",)))
    assert found(engine, addresses=("aNN@example.ORG",)) == [1]
    assert found(engine, addresses=("bob@example.net",)) == [1, 2]
    assert found(engine, addresses=("bob@example.net", "carl@example.org")) == [2]


def test_a_message_id_of_a_header_finds_the_message(engine: Engine) -> None:
    record(engine, received())
    assert found(engine, message_ids=("<1@example.net>",)) == [1]
    assert found(engine, message_ids=("<9@example.net>",)) == []


def test_words_of_a_subject_find_it_folded_whole_and_all_of_them(engine: Engine) -> None:
    record(engine, received(message_id=1, subject="Re: Ärger mit Rechnung 4711 (dringend)"))
    record(engine, received(message_id=2, subject="Rechnung"))
    assert tracking.subject_words("RE: Ärger, ärger") == ["ärger"]
    assert found(engine, words=("rechnung",)) == [1, 2]
    assert found(engine, words=tuple(tracking.subject_words("ÄRGER 4711"))) == [1]
    assert found(engine, words=("rech",)) == []
    assert found(engine, words=("dringend",), addresses=("nobody@example.org",)) == []


def test_a_subject_of_a_thousand_words_is_found_by_its_first_ones(engine: Engine) -> None:
    record(engine, received(subject=" ".join(f"word{number}" for number in range(1000))))
    assert found(engine, words=(f"word{tracking.MOST_WORDS - 1}",)) == [1]
    assert found(engine, words=(f"word{tracking.MOST_WORDS}",)) == []


def test_a_window_of_time_is_a_range_of_ids(engine: Engine) -> None:
    ids = [id_at(NOW + number) for number in range(5)]
    for number in ids:
        record(engine, received(at=id_seconds(number), message_id=number))
        record(engine, LogEvent(at=NOW + 90_000, message_id=number, kind="delivered"), TUESDAY)
    window = {"low": id_at(NOW + 1), "high": id_at(NOW + 3)}
    assert found(engine, **window) == ids[1:3]
    assert found(engine, addresses=("bob@example.net",), **window) == ids[1:3]


@pytest.mark.parametrize("messages", [3, 1_300])
def test_of_many_the_newest_are_given_and_that_there_are_more_is_said(engine: Engine, messages: int) -> None:

    def fill(txn: Txn) -> None:
        for number in range(1, messages + 1):
            tracking.record(txn, MONDAY, received(message_id=number))

    write(engine, fill, keys.LOG)
    for query in (Query(), Query(addresses=("bob@example.net",))):
        for limit in (1, messages - 1, messages):
            result = look(engine, partial(tracking.search, query=query, limit=limit), keys.LOG)
            assert result.ids == tuple(range(messages - limit + 1, messages + 1))
            assert result.more is (limit < messages)


def test_events_of_one_moment_are_all_kept_and_a_repeated_one_is_kept_once(engine: Engine) -> None:
    for recipient in ("a@x", "b@x", "b@x"):
        record(engine, LogEvent(at=NOW, message_id=1, kind="delivered", recipients=(recipient,)))
    assert len(look(engine, lambda snap: tracking.events_of(snap, 1), keys.LOG)) == 2


def test_a_day_that_is_over_takes_its_events_along(engine: Engine) -> None:
    record(engine, received())
    record(engine, LogEvent(at=NOW + 90_000, message_id=1, kind="delivered"), TUESDAY)
    engine.drop_bucket(MONDAY, 0).result()
    assert [event.kind for event in look(engine, lambda snap: tracking.events_of(snap, 1), keys.LOG)] == ["delivered"]
    assert found(engine, addresses=("ann@example.org",)) == []
