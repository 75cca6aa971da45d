"""Putting back and purging, where something else happens meanwhile or stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from tests.store.samples import DAY_ONE, NOW, entry, message_row
from tests.store.samples import account as account_of
from xtramail.mailbox.recovery import deleted, purge, put_back
from xtramail.model.clock import EPOCH_SECONDS
from xtramail.model.pending import drive
from xtramail.store import accounts, keys, mailboxes, messages, outbound, recovered
from xtramail.store.engine import Txn
from xtramail.store.mailbox_rows import put_mailbox
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.messages import NewMessage

T = TypeVar("T")
ANN = 7
USER = keys.user_scope(ANN)
HUGE = 9 << 20
"""Octets: each such message is a step of its own."""


def write(engine: MemoryEngine, function: Callable[[Txn], T]) -> T:
    return engine.transact(USER, function).result()


def with_deleted(count: int, *, size: int = 100, mailbox: str = "Work") -> MemoryEngine:
    engine = MemoryEngine()

    def fill(txn: Txn) -> None:
        mailboxes.ensure_special(txn, NOW)
        row = mailboxes.create(txn, mailbox, now=NOW)
        for number in range(1, count + 1):
            messages.add(txn, row.id, DAY_ONE, NewMessage(row=message_row(number=number, size=size)), NOW)

    write(engine, fill)
    write(engine, lambda txn: mailboxes.delete(txn, mailbox, now=NOW, by="ann"))
    return engine


def left(engine: MemoryEngine) -> list[int]:
    return [uid for _, uid, _ in engine.read(USER, recovered.recoverables)]


def test_what_comes_into_the_queue_while_a_purge_runs_is_left() -> None:
    engine = with_deleted(3, size=HUGE)
    number = int((NOW - EPOCH_SECONDS) * 1_000_000) << 12

    def progress(done: int, _total: int) -> None:
        if done == 1:
            queued = entry(number, message_id=3)
            engine.transact(keys.QUEUE, lambda txn: outbound.enqueue(txn, queued)).result()

    result = drive(purge(engine, ANN, deleted(engine, ANN), NOW, progress))
    assert (result.messages, result.waiting) == (2, [3])
    assert left(engine) == [3]


def test_what_its_user_took_back_meanwhile_is_passed_over() -> None:
    engine = with_deleted(3)
    found = deleted(engine, ANN)
    inbox = engine.read(USER, lambda snap: mailboxes.mailbox_by_name(snap, "INBOX"))
    assert inbox is not None
    write(engine, lambda txn: messages.restore(txn, inbox.id, [2], NOW))
    assert drive(put_back(engine, ANN, found, NOW)).mailboxes == {"Work": 2}
    assert left(engine) == []


def test_a_run_that_was_cut_off_is_finished_by_the_next() -> None:
    engine = with_deleted(450)

    def cut(done: int, _total: int) -> None:
        if done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(put_back(engine, ANN, deleted(engine, ANN), NOW, cut))
    assert len(left(engine)) == 250
    told: list[tuple[int, int]] = []
    result = drive(put_back(engine, ANN, deleted(engine, ANN), NOW, lambda done, total: told.append((done, total))))
    assert (result.mailboxes, result.made) == ({"Work": 250}, [])
    assert told == [(200, 250), (250, 250)]


def test_as_much_as_the_quota_has_room_for_goes_back() -> None:
    engine = with_deleted(10)
    write(engine, lambda txn: accounts.put_account(txn, account_of(quota=730)))
    result = drive(put_back(engine, ANN, deleted(engine, ANN), NOW))
    assert (result.messages, result.left) == (7, 3)
    assert left(engine) == [8, 9, 10]


def test_inbox_has_what_no_mailbox_can_be_made_for() -> None:
    engine = with_deleted(2, mailbox="Far/Away")
    write(engine, lambda txn: mailboxes.delete(txn, "Far", now=NOW))

    def crowd(txn: Txn) -> None:
        (row, *_) = mailboxes.mailboxes(txn)
        for number in range(100, 100 + mailboxes.MAX_MAILBOXES):
            put_mailbox(txn, replace(row, id=number, name=f"m{number}"))

    write(engine, crowd)
    result = drive(put_back(engine, ANN, deleted(engine, ANN), NOW))
    assert (result.mailboxes, result.made) == ({"INBOX": 2}, [])


def test_a_renamed_mailbox_gets_back_what_it_had() -> None:
    engine = MemoryEngine()

    def work(txn: Txn) -> None:
        mailboxes.ensure_special(txn, NOW)
        row = mailboxes.create(txn, "Old", now=NOW)
        messages.add(txn, row.id, DAY_ONE, NewMessage(row=message_row()), NOW)
        messages.expunge(txn, row.id, None, "ann", NOW, deleted_only=False)
        mailboxes.rename(txn, "Old", "New", now=NOW)

    write(engine, work)
    assert [one.mailbox for one in deleted(engine, ANN, mailbox="New")] == ["New"]
    assert deleted(engine, ANN, mailbox="Old") == []
    assert drive(put_back(engine, ANN, deleted(engine, ANN), NOW)).mailboxes == {"New": 1}
