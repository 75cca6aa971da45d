from __future__ import annotations

from tests.store.samples import DAY_ONE, write
from xtramail.store import keys, search_texts
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import BodyRef

REF = BodyRef(bucket=DAY_ONE, id=5, size=10, header_length=2)


def put(engine: MemoryEngine, text: str, owners: tuple[int, ...] = ()) -> None:
    write(engine, lambda txn: search_texts.put_search_text(txn, DAY_ONE, 5, text, owners), keys.BODY)


def test_text_and_owners_come_back() -> None:
    engine = MemoryEngine()
    put(engine, "Grüße aus München", (9, 3, 3))
    assert search_texts.search_text(engine, REF) == "Grüße aus München"
    assert search_texts.owners(engine, REF) == (3, 9)


def test_a_body_without_text_has_empty_text() -> None:
    engine = MemoryEngine()
    assert search_texts.search_text(engine, REF) == ""
    assert search_texts.owners(engine, REF) == ()


def test_a_long_text_is_kept_up_to_its_limit_with_a_thousand_owners() -> None:
    engine = MemoryEngine()
    text = "äöü" * 100_000
    put(engine, text, tuple(range(1000)))
    found = search_texts.search_text(engine, REF)
    assert text.startswith(found)
    assert search_texts.MAX_OCTETS - 4 < len(found.encode()) <= search_texts.MAX_OCTETS
    assert search_texts.owners(engine, REF) == tuple(range(1000))


def test_the_last_owner_takes_text_and_chunks_along() -> None:
    engine = MemoryEngine()
    put(engine, "secret", (1, 2))
    engine.append_body(DAY_ONE, 5, 0, [b"\0ab", b"\0cd"]).result()
    engine.append_body(DAY_ONE, 6, 0, [b"\0other"]).result()
    assert not write(engine, lambda txn: search_texts.remove_owner(txn, REF, 1, 2), keys.BODY)
    assert search_texts.search_text(engine, REF) == "secret"
    assert write(engine, lambda txn: search_texts.remove_owner(txn, REF, 2, 2), keys.BODY)
    assert engine.read_body(DAY_ONE, 5, 0) is None and engine.read_body(DAY_ONE, 6, 0) is not None
    assert len(engine.contents()) == 1
