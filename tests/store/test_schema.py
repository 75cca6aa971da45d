from __future__ import annotations

import pytest

from tests.store.samples import look, write
from xtramail.model.bucket import CLASS_HELD, CLASS_LOG, FIRST_DOMAIN_CLASS, PERMANENT
from xtramail.model.errors import FormatMismatch
from xtramail.store import keys, schema
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import encode_number


def test_an_empty_store_gets_the_format_of_this_program_and_its_own_classes() -> None:
    engine = MemoryEngine()
    schema.open_format(engine)
    schema.open_format(engine)
    assert look(engine, schema.format_of, keys.STORE) == keys.FORMAT
    assert set(look(engine, schema.retention_classes, keys.STORE)) == {CLASS_LOG, CLASS_HELD}


@pytest.mark.parametrize(("found", "says"), [(keys.FORMAT + 1, "refusing to start"), (0, "xtramail store upgrade")])
def test_another_format_is_refused_with_the_next_step_and_never_rewritten(found: int, says: str) -> None:
    engine = MemoryEngine()
    write(engine, lambda txn: txn.put(PERMANENT, keys.FORMAT_NUMBER, encode_number(found)), keys.STORE)
    before = engine.contents()
    with pytest.raises(FormatMismatch, match=says):
        schema.open_format(engine)
    assert engine.contents() == before


def test_account_ids_are_never_given_twice() -> None:
    engine = MemoryEngine()
    assert [write(engine, schema.next_account_id, keys.STORE) for _ in range(3)] == [1, 2, 3]


def test_every_domain_gets_a_class_of_its_own() -> None:
    engine = MemoryEngine()
    schema.open_format(engine)
    first = write(engine, lambda txn: schema.new_retention_class(txn, 30, "a.example"), keys.STORE)
    second = write(engine, lambda txn: schema.new_retention_class(txn, 90, "b.example"), keys.STORE)
    assert (first, second) == (FIRST_DOMAIN_CLASS, FIRST_DOMAIN_CLASS + 1)
    classes = look(engine, schema.retention_classes, keys.STORE)
    assert (classes[second].days, classes[second].owner) == (90, "b.example")


def test_new_days_of_a_class_keep_its_owner() -> None:
    engine = MemoryEngine()
    first = write(engine, lambda txn: schema.new_retention_class(txn, 30, "a.example"), keys.STORE)
    write(engine, lambda txn: schema.set_retention_days(txn, first, 90), keys.STORE)
    write(engine, lambda txn: schema.set_retention_days(txn, CLASS_LOG, 60), keys.STORE)
    classes = look(engine, schema.retention_classes, keys.STORE)
    assert (classes[first].days, classes[first].owner) == (90, "a.example")
    assert (classes[CLASS_LOG].days, classes[CLASS_LOG].owner) == (60, "log")
