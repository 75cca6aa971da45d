from __future__ import annotations

from tests.store.samples import NOW, look, write
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_of
from xtramail.store import keys, tracking
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import LogEvent

MONDAY, TUESDAY = bucket_of(2000, CLASS_LOG), bucket_of(2001, CLASS_LOG)


def record(engine: MemoryEngine, event: LogEvent, bucket: Bucket = MONDAY) -> None:
    write(engine, lambda txn: tracking.record(txn, bucket, event), keys.LOG)


def received(at: float = NOW, message_id: int = 1, recipients: tuple[str, ...] = ("Ann@Example.org",)) -> LogEvent:
    return LogEvent(
        at=at,
        message_id=message_id,
        kind="received",
        sender="bob@example.net",
        recipients=recipients,
        fields={"message-id": f"<{message_id}@example.net>"},
    )


def test_the_story_of_a_message_goes_over_days_in_order() -> None:
    engine = MemoryEngine()
    record(engine, LogEvent(at=NOW + 90_000, message_id=1, kind="delivered", text="250 ok"), TUESDAY)
    record(engine, received())
    record(engine, received(message_id=2))
    story = look(engine, lambda snap: tracking.events_of(snap, 1), keys.LOG)
    assert [event.kind for event in story] == ["received", "delivered"]


def test_an_address_finds_all_that_happened_to_its_messages_whatever_its_case() -> None:
    engine = MemoryEngine()
    record(engine, received())
    record(engine, LogEvent(at=NOW + 5, message_id=1, kind="delivered"), TUESDAY)
    record(engine, received(message_id=2, recipients=("carl@example.org",)))
    found = look(engine, lambda snap: tracking.by_address(snap, "aNN@example.ORG"), keys.LOG)
    assert [(event.message_id, event.kind) for event in found] == [(1, "received"), (1, "delivered")]
    since = look(engine, lambda snap: tracking.by_address(snap, "ann@example.org", NOW + 1), keys.LOG)
    assert [event.kind for event in since] == ["delivered"]
    sent = look(engine, lambda snap: tracking.by_address(snap, "bob@example.net"), keys.LOG)
    assert {event.message_id for event in sent} == {1, 2}


def test_a_message_id_of_a_header_finds_the_message() -> None:
    engine = MemoryEngine()
    record(engine, received())
    found = look(engine, lambda snap: tracking.by_message_id(snap, "<1@example.net>"), keys.LOG)
    assert [event.message_id for event in found] == [1]
    assert look(engine, lambda snap: tracking.by_message_id(snap, "<9@example.net>"), keys.LOG) == []


def test_events_without_a_message_are_found_by_those_they_name_only() -> None:
    engine = MemoryEngine()
    record(engine, LogEvent(at=NOW, message_id=0, kind="login", sender="ann@example.org"))
    record(engine, LogEvent(at=NOW, message_id=0, kind="login", sender="bob@example.org"))
    found = look(engine, lambda snap: tracking.by_address(snap, "ann@example.org"), keys.LOG)
    assert [event.sender for event in found] == ["ann@example.org"]


def test_events_of_one_moment_are_all_kept_and_a_repeated_one_is_kept_once() -> None:
    engine = MemoryEngine()
    for recipient in ("a@x", "b@x", "b@x"):
        record(engine, LogEvent(at=NOW, message_id=1, kind="delivered", recipients=(recipient,)))
    assert len(look(engine, lambda snap: tracking.events_of(snap, 1), keys.LOG)) == 2


def test_a_day_that_is_over_takes_its_events_along() -> None:
    engine = MemoryEngine()
    record(engine, received())
    record(engine, LogEvent(at=NOW + 90_000, message_id=1, kind="delivered"), TUESDAY)
    engine.drop_bucket(MONDAY, 0).result()
    assert [event.kind for event in look(engine, lambda snap: tracking.events_of(snap, 1), keys.LOG)] == ["delivered"]
    assert look(engine, lambda snap: tracking.by_address(snap, "ann@example.org"), keys.LOG) == []
