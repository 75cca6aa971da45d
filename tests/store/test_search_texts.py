from __future__ import annotations

from msgspec.structs import replace

from tests.store.samples import DAY_ONE, write
from xtramail.store import keys, search_texts
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import BodyRef

REF = BodyRef(bucket=DAY_ONE, id=5, size=10, header_length=2)


def put(engine: MemoryEngine, text: str, owners: tuple[int, ...] = ()) -> None:
    prepared = search_texts.prepare(text)
    write(engine, lambda txn: search_texts.put_search_text(txn, DAY_ONE, 5, prepared, owners), keys.BODY)


def pieces(found: search_texts.Searchable) -> tuple[bytes, bytes]:
    """Header and text."""
    return found.octets[found.header_at : found.text_at], found.octets[found.text_at :]


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


def test_header_and_text_are_kept_folded_and_read_together() -> None:
    engine = MemoryEngine()
    header = "Subject: Größe\nFrom: Ann"
    long = "Straße " * 20_000
    for body_id, text in ((5, "Ein TEXT"), (6, long)):
        write(
            engine,
            lambda txn, body_id=body_id, text=text: search_texts.put_search_text(
                txn, DAY_ONE, body_id, search_texts.prepare(text, header), [1, 2]
            ),
            keys.BODY,
        )
    refs = [REF, replace(REF, id=6), replace(REF, id=7)]
    small, large, missing = search_texts.searchables(engine, refs, whole=True)
    folded = "\nsubject: grösse\nfrom: ann\n".encode()
    assert small is not None and large is not None and missing is None
    assert pieces(small) == (folded, b"ein text")
    assert pieces(large) == (folded, b"strasse " * 20_000)
    small, large, missing = search_texts.searchables(engine, refs, whole=False)
    assert small is not None and large is not None and pieces(small)[0] == pieces(large)[0] == folded
    assert search_texts.search_text(engine, REF) == "ein text"
    assert not write(engine, lambda txn: search_texts.remove_owner(txn, REF, 1, 2), keys.BODY)
    assert search_texts.owners(engine, REF) == (2,)
    left = search_texts.searchables(engine, [REF], whole=True)[0]
    assert left is not None and pieces(left) == pieces(small)


def test_what_was_written_without_its_header_and_what_has_a_huge_one_is_read_from_the_body() -> None:
    engine = MemoryEngine()
    put(engine, "Text", (1,))
    assert search_texts.searchables(engine, [REF], whole=True) == [None]
    prepared = search_texts.prepare("Text", "X: " + "y" * 60_000)
    write(engine, lambda txn: search_texts.put_search_text(txn, DAY_ONE, 5, prepared, [1]), keys.BODY)
    assert search_texts.searchables(engine, [REF], whole=True) == [None]
    assert search_texts.search_text(engine, REF) == "Text"
