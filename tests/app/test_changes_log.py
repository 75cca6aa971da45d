"""The server's log has every change with its seal, whoever made it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from tests.desks import operator
from xtramail.app.changes_head import ChangesHead
from xtramail.app.changes_log import AT_ONCE, ChangesLog
from xtramail.directory.audit_log import accept_head, audit_rows, head, verify_audit
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


def test_each_row_is_told_with_its_seal_and_how_it_stood_at_the_start(tmp_path: Path) -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    write(desk, 3)
    before = head(engine)
    log = ChangesLog(reactor, engine=engine, head=ChangesHead(tmp_path / "changes.head"))
    with listening() as lines:
        log.start()
        write(desk)
        log.stop()
        write(desk)
    assert [(line["event"], line["number"]) for line in lines] == [("changes-stand", 3), ("changed", 4)]
    assert lines[0]["seal"] == before[1].hex()
    assert (lines[1]["actor"], lines[1]["what"], lines[1]["object"]) == ("olga", "user add", "0@a.example")
    assert not verify_audit(desk, noted=(4, bytes.fromhex(str(lines[1]["seal"])))).broken


def test_many_rows_at_once_are_told_in_turns_and_none_is_left_out(tmp_path: Path) -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    log = ChangesLog(reactor, engine=engine, head=ChangesHead(tmp_path / "changes.head"))
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


def test_rows_that_are_gone_are_an_alarm(tmp_path: Path) -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    log = ChangesLog(reactor, engine=engine, head=ChangesHead(tmp_path / "changes.head"))
    with listening() as lines:
        log.start()
        write(desk, 3)
        engine.transact(keys.AUDIT, cut).result()
        log.stop()
    assert lines[-1]["event"] == "alarm" and lines[-1]["kind"] == "changes-lost"
    assert "rows 2 to 3 are missing at the end" in str(lines[-1]["text"])


def test_what_was_cut_while_no_server_ran_is_an_alarm_at_the_start_until_it_is_accepted(tmp_path: Path) -> None:
    engine, reactor, kept = MemoryEngine(), Clock(), ChangesHead(tmp_path / "changes.head")
    desk = operator(engine, SetClock())
    write(desk, 5)
    assert kept.follow(engine) == "" and kept.noted() == head(engine)
    engine.transact(keys.AUDIT, cut).result()
    noted = kept.noted()
    for _ in range(2):
        log = ChangesLog(reactor, engine=engine, head=kept)
        with listening() as lines:
            log.start()
            write(desk)
            log.stop()
        alarms = [line for line in lines if line["event"] == "alarm"]
        assert len(alarms) == 1 and "missing at the end" in str(alarms[0]["text"])
        assert kept.noted() == noted, "not written over"
    assert drive(accept_head(desk, noted)) == "rows 4 to 5 are missing at the end"
    assert drive(accept_head(desk, None)) == "how it ended before cannot be read"
    kept.write(head(engine))
    assert drive(accept_head(desk, kept.noted())) == ""
    assert kept.follow(engine) == ""
    told = audit_rows(desk, object="log of changes", most=9)[-1].row
    assert told.after is not None and told.after["accepted"] == "rows 4 to 5 are missing at the end"


def test_rows_that_were_made_anew_are_an_alarm_too(tmp_path: Path) -> None:
    engine, reactor, kept = MemoryEngine(), Clock(), ChangesHead(tmp_path / "changes.head")
    desk = operator(engine, SetClock())
    write(desk, 3)
    kept.follow(engine)
    engine.transact(keys.AUDIT, cut).result()
    write(desk, 7)
    with listening() as lines:
        ChangesLog(reactor, engine=engine, head=kept).start()
    assert "row 3 has another seal than was noted" in str(lines[-1]["text"])


def test_a_folder_that_cannot_be_written_is_told_once_and_what_is_cut_is_seen_all_the_same(tmp_path: Path) -> None:
    engine, reactor = MemoryEngine(), Clock()
    desk = operator(engine, SetClock())
    log = ChangesLog(reactor, engine=engine, head=ChangesHead(tmp_path / "gone" / "changes.head"))
    with listening() as lines:
        log.start()
        for _ in range(3):
            write(desk)
        engine.transact(keys.AUDIT, cut).result()
        log.stop()
    told = [(line["event"], line.get("reason")) for line in lines if line["event"] != "changed"]
    assert told == [
        ("changes-stand", None),
        ("changes-head-unwritten", "No such file or directory"),
        ("alarm", None),
    ]


def test_what_nobody_can_read_is_not_taken_for_good_and_an_empty_file_is_none(tmp_path: Path) -> None:
    engine, kept = MemoryEngine(), ChangesHead(tmp_path / "changes.head")
    write(operator(engine, SetClock()))
    kept.file.write_text("1:zz\n")
    assert "no NUMBER:SEAL" in kept.follow(engine) and kept.file.read_text() == "1:zz\n"
    kept.file.write_text("")
    assert kept.follow(engine) == "" and kept.noted() == head(engine)
    assert kept.file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["changes.head"]
