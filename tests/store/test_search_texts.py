from __future__ import annotations

from tests.store.samples import DAY_ONE, write
from xtramail.store import keys, search_texts
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import BodyRef

Parts = tuple[bytes, bytes, bytes]

REF = BodyRef(bucket=DAY_ONE, id=5, size=10, header_length=2)


def put(engine: MemoryEngine, text: str, owners: tuple[int, ...] = ()) -> None:
    prepared = search_texts.prepare(text)
    write(engine, lambda txn: search_texts.put_search_text(txn, DAY_ONE, 5, prepared, owners), keys.BODY)


def peeked(engine: MemoryEngine, *ids: int, octets: int = 1 << 30, whole: bool = True) -> list[Parts | None]:
    """Of each body that was given: header, usual lines of it, text."""

    def use(texts: list[search_texts.Pieces | None]) -> list[Parts | None]:
        return [None if pieces is None else parts(pieces) for pieces in texts]

    return search_texts.peek_texts(engine, [(DAY_ONE, id) for id in ids], octets, use, whole=whole)


def parts(pieces: search_texts.Pieces) -> Parts:
    first = bytes(pieces[0])
    where = search_texts.bounds(first)
    text = b"".join((first[where.text_at :], *pieces[1:]))
    return first[where.header_at : where.text_at], first[where.header_at : where.usual_end], text


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
    header = "X-Mailer: M\nSubject: Größe\nFrom: Ann"
    long = "Straße " * 20_000
    for body_id, text in ((5, "Ein TEXT"), (6, long)):
        write(
            engine,
            lambda txn, body_id=body_id, text=text: search_texts.put_search_text(
                txn, DAY_ONE, body_id, search_texts.prepare(text, header), [1, 2]
            ),
            keys.BODY,
        )
    folded, usual = "\nsubject: grösse\nfrom: ann\nx-mailer: m\n".encode(), "\nsubject: grösse\nfrom: ann\n".encode()
    assert peeked(engine, 5, 6, 7) == [(folded, usual, b"ein text"), (folded, usual, b"strasse " * 20_000), None]
    assert peeked(engine, 5, 6, 7, whole=False) == [(folded, usual, b"ein text"), (folded, usual, b""), None]
    assert search_texts.search_text(engine, REF) == "ein text"
    assert not write(engine, lambda txn: search_texts.remove_owner(txn, REF, 1, 2), keys.BODY)
    assert search_texts.owners(engine, REF) == (2,)
    assert peeked(engine, 5) == [(folded, usual, b"ein text")]


def test_as_many_are_read_at_once_as_come_to_so_many_octets_and_one_at_least() -> None:
    engine = MemoryEngine()
    for body_id in (5, 6, 7):
        prepared = search_texts.prepare("x" * 200_000, "Subject: s")
        write(engine, lambda txn, id=body_id, p=prepared: search_texts.put_search_text(txn, DAY_ONE, id, p), keys.BODY)
    assert [len(peeked(engine, 5, 6, 7, octets=octets)) for octets in (1, 200_000, 200_100, 1 << 20)] == [1, 1, 2, 3]


def test_a_text_with_a_damaged_or_missing_row_is_none_and_not_shorter() -> None:
    for damage in (True, False):
        engine = MemoryEngine()
        prepared = search_texts.prepare("x" * 200_000, "Subject: s")
        write(engine, lambda txn, p=prepared: search_texts.put_search_text(txn, DAY_ONE, 5, p), keys.BODY)
        if damage:
            engine.corrupt(DAY_ONE, keys.BODY, keys.search_text(5, 2))
        else:
            write(engine, lambda txn: txn.delete(DAY_ONE, keys.search_text(5, 2)), keys.BODY)
        assert peeked(engine, 5) == [None]
        assert peeked(engine, 5, whole=False) != [None]


def test_what_was_written_without_its_header_and_what_has_a_huge_one_is_read_from_the_body() -> None:
    engine = MemoryEngine()
    put(engine, "Text", (1,))
    assert peeked(engine, 5) == [None]
    prepared = search_texts.prepare("Text", "X: " + "y" * 60_000)
    write(engine, lambda txn: search_texts.put_search_text(txn, DAY_ONE, 5, prepared, [1]), keys.BODY)
    assert peeked(engine, 5) == [None]
    assert search_texts.search_text(engine, REF) == "Text"
