"""Marks of imported messages: told apart by mailbox, octets and number, and gone with their day."""

from __future__ import annotations

from tests.store.samples import DAY_ONE, NOW
from xtramail.store import keys
from xtramail.store.imported import is_imported, mark_of, put_imported
from xtramail.store.memory_engine import MemoryEngine

USER = keys.user_scope(7)


def test_a_mark_stands_for_mailbox_octets_and_number() -> None:
    marks = {
        mark_of(mailbox, digest, ordinal)
        for mailbox in ("INBOX", "INBOX ", "1 INBOX")
        for digest in (b"a" * 16, b"b" * 16)
        for ordinal in (0, 1, 11)
    }
    assert len(marks) == 18 and {len(mark) for mark in marks} == {16}


def test_a_mark_lives_as_long_as_its_day() -> None:
    engine = MemoryEngine()
    mark = mark_of("INBOX", b"a" * 16, 0)
    engine.transact(USER, lambda txn: put_imported(txn, DAY_ONE, mark)).result()
    assert engine.read(USER, lambda snap: is_imported(snap, [DAY_ONE], mark))
    assert not engine.read(USER, lambda snap: is_imported(snap, [], mark))
    engine.drop_bucket(DAY_ONE, keys.micros(NOW)).result()
    assert not engine.read(USER, lambda snap: is_imported(snap, [DAY_ONE], mark))
