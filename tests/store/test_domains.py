from __future__ import annotations

from tests.store.samples import NOW, look, write
from xtramail.store import domains, keys
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import AskedRow, DomainRow, RecipientRow

SCOPE = keys.domain_scope("example.org")
ROW = DomainRow(name="example.org", retention_class=16, retention_days=30, primaries=(("mx.example.org", 25),))


def recipient(local: str) -> RecipientRow:
    return RecipientRow(local=local, account_id=1, kind="user", created=NOW)


def test_domains_are_listed_by_name_while_they_are_served() -> None:
    engine = MemoryEngine()
    for name in ("b.example", "a.example"):
        scope = keys.domain_scope(name)
        row = DomainRow(name=name, retention_class=16, retention_days=30)
        write(engine, lambda txn, row=row: domains.put_domain(txn, row), scope)
    assert domains.domain_names(engine) == ["a.example", "b.example"]
    assert write(engine, domains.delete_domain, keys.domain_scope("a.example"))
    assert domains.domain_names(engine) == ["b.example"]


def test_recipients_are_found_and_listed_by_their_key() -> None:
    engine = MemoryEngine()
    for local in ("Zoe", "Ann", "Jürgen"):
        write(engine, lambda txn, local=local: domains.put_recipient(txn, local.lower(), recipient(local)), SCOPE)
    assert look(engine, lambda snap: domains.get_recipient(snap, "ann"), SCOPE) == recipient("Ann")
    assert [key for key, _ in look(engine, domains.recipients, SCOPE)] == ["ann", "jürgen", "zoe"]
    assert write(engine, lambda txn: domains.delete_recipient(txn, "ann"), SCOPE)
    assert look(engine, lambda snap: domains.get_recipient(snap, "ann"), SCOPE) is None


def test_an_answer_of_the_primary_is_not_a_listing() -> None:
    engine = MemoryEngine()
    row = AskedRow(good=True, until=NOW + 60, asked=NOW)
    write(engine, lambda txn: domains.put_asked(txn, "ann", row), SCOPE)
    assert look(engine, lambda snap: domains.get_asked(snap, "ann"), SCOPE) == row
    assert look(engine, domains.recipients, SCOPE) == []
    assert write(engine, lambda txn: domains.delete_asked(txn, "ann"), SCOPE)
    assert look(engine, lambda snap: domains.get_asked(snap, "ann"), SCOPE) is None


def test_a_removed_domain_leaves_nothing_to_one_of_the_same_name() -> None:
    engine = MemoryEngine()
    write(engine, lambda txn: domains.put_domain(txn, ROW), SCOPE)
    write(engine, lambda txn: domains.put_recipient(txn, "ann", recipient("ann")), SCOPE)
    write(engine, domains.delete_domain, SCOPE)
    assert engine.contents() == []
