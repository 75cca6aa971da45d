"""The server's log has every change with its seal, whoever made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from tests.desks import operator
from xtramail.app.changes_log import AT_ONCE, ChangesLog
from xtramail.directory.audit_log import head, verify_audit
from xtramail.directory.desk import Change, Desk
from xtramail.model.bucket import PERMANENT
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.store import audit, audit_keys, keys
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.telemetry.log import collecting


@contextmanager
def listening() -> Iterator[list[dict[str, object]]]:
    lines: list[dict[str, object]] = []
    observer = collecting(lines)
    globalLogPublisher.addObserver(observer)
    try:
        yield lines
    finally:
        globalLogPublisher.removeObserver(observer)


def write(desk: Desk, count: int = 1) -> None:
    changes = [Change("user add", f"{number}@a.example", "a.example") for number in range(count)]
    drive(desk.change_all(changes, []))


def test_each_row_is_told_with_its_seal_and_how_it_stood_at_the_start() -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    write(desk, 3)
    before = head(engine)
    log = ChangesLog(reactor, engine=engine)
    with listening() as lines:
        log.start()
        write(desk)
        log.stop()
        write(desk)
    assert [(line["event"], line["number"]) for line in lines] == [("changes-stand", 3), ("changed", 4)]
    assert lines[0]["seal"] == before[1].hex()
    assert (lines[1]["actor"], lines[1]["what"], lines[1]["object"]) == ("olga", "user add", "0@a.example")
    assert not verify_audit(desk, noted=(4, bytes.fromhex(str(lines[1]["seal"])))).broken


def test_many_rows_at_once_are_told_in_turns_and_none_is_left_out() -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    log = ChangesLog(reactor, engine=engine)
    with listening() as lines:
        log.start()
        write(desk, 2 * AT_ONCE + 1)
        assert len(lines) == 1 + AT_ONCE
        write(desk)
        for _ in range(3):
            reactor.advance(0)
        log.stop()
    assert [line["number"] for line in lines[1:]] == list(range(1, 2 * AT_ONCE + 3))
    assert not reactor.getDelayedCalls()


def cut(txn: Txn) -> None:
    """All but the first row."""
    first = txn.get(PERMANENT, audit_keys.row(1))
    assert first is not None
    txn.delete_range(PERMANENT, audit_keys.row(2), keys.after(audit_keys.ROWS))
    txn.put(PERMANENT, audit_keys.HEAD, audit_keys.row(1) + first[: audit.SEAL])


def test_rows_that_are_gone_are_an_alarm() -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    log = ChangesLog(reactor, engine=engine)
    with listening() as lines:
        log.start()
        write(desk, 3)
        engine.transact(keys.AUDIT, cut).result()
        log.stop()
    assert lines[-1]["event"] == "alarm" and lines[-1]["kind"] == "changes-lost"
