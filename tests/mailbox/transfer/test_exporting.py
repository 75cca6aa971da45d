"""Writing mail: all of it, never over a file, seen in the audit log, and gone on with where it was cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desks import user
from tests.mailbox.transfer.boxes import ANN, BOB, NOON, PLAIN, Boxes, Letter, told
from xtramail.mailbox.transfer.entries import FORMATS, Format
from xtramail.mailbox.transfer.exporting import Exported, export_mail
from xtramail.mailbox.transfer.outcome import Terms
from xtramail.model.errors import BadInput, NoSuchAccount
from xtramail.model.pending import drive
from xtramail.store import audit, keys, mailboxes, messages
from xtramail.store.engine import Snapshot, Txn

LETTERS = [Letter(PLAIN + b"%d\r\n" % number, NOON + number) for number in range(120)]


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("format", FORMATS)
def test_cut_off_it_goes_on_where_it_was(tmp_path: Path, format: Format) -> None:
    boxes = Boxes()
    boxes.put("Home", LETTERS[:10])
    boxes.put("Work", LETTERS)
    asked: Iterator[int] = iter(range(1000))
    first = drive(export_mail(boxes.desk, ANN, tmp_path / "out", format, stop=lambda: next(asked) > 60))
    assert (first.stopped, first.complete) == ("it was interrupted", False)
    (cut_off,) = told(boxes.bring(tmp_path / "out", terms=Terms(dry_run=True)))
    assert cut_off.endswith("an export that was cut off: run it again, for mail is missing in it")
    second = boxes.export(tmp_path / "out", format)
    assert second.complete and second.messages == 130
    boxes.export(tmp_path / "whole", format)
    state = ".xtramail-export.json"
    assert {**files(tmp_path / "out"), state: b""} == {**files(tmp_path / "whole"), state: b""}
    boxes.bring(tmp_path / "out")
    assert boxes.full(BOB) == boxes.full(ANN)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_written_into_a_folder_of_something_else(tmp_path: Path, format: Format) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS[:1])
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        boxes.export(tmp_path, format)
    boxes.export(tmp_path / "out", format)
    before = files(tmp_path)
    with pytest.raises(BadInput, match="an export that is finished"):
        boxes.export(tmp_path / "out", format)
    with pytest.raises(BadInput, match="is a file"):
        boxes.export(tmp_path / "notes.txt", format)
    assert files(tmp_path) == before


def test_another_export_is_not_mixed_into_one_that_was_cut_off(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS)
    drive(export_mail(boxes.desk, ANN, tmp_path / "out", "mbox", stop=lambda: True))
    with pytest.raises(BadInput, match="the beginning of another export"):
        boxes.export(tmp_path / "out", "eml")
    with pytest.raises(BadInput, match="the beginning of another export"):
        boxes.export(tmp_path / "out", "mbox", BOB)
    (tmp_path / "out" / ".xtramail-export.json").write_bytes(b"{}")
    with pytest.raises(BadInput, match="cannot be understood"):
        boxes.export(tmp_path / "out", "mbox")


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work/Rome", LETTERS[:1])
    drive(export_mail(boxes.desk, ANN, tmp_path / "out", "mbox", stop=lambda: True))
    (tmp_path / "elsewhere").mkdir()
    for name in (tmp_path / "out" / "Work").iterdir() if (tmp_path / "out" / "Work").exists() else ():
        name.unlink()
    if (tmp_path / "out" / "Work").exists():
        (tmp_path / "out" / "Work").rmdir()
    (tmp_path / "out" / "Work").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(NotADirectoryError):
        boxes.export(tmp_path / "out", "mbox")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_message_is_named_and_the_others_are_whole(tmp_path: Path, format: Format) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS[:3])

    def body(snap: Snapshot) -> tuple[int, int]:
        work = mailboxes.mailbox_by_name(snap, "Work")
        assert work is not None
        (bucket,) = messages.counters(snap, work)
        row = messages.message_row(snap, work.id, bucket, 2)
        assert row is not None
        return bucket, row.body.id

    bucket, body_id = boxes.engine.read(keys.user_scope(boxes.account().id), body)

    def damage(txn: Txn) -> None:
        txn.delete(bucket, keys.body_chunk(body_id, 1))  # type: ignore[arg-type]

    boxes.engine.transact(keys.BODY, damage).result()
    result = boxes.export(tmp_path / "out", format)
    assert not result.complete
    assert (result.mailboxes["Work"], result.expected["Work"]) == (2, 3)
    assert [one.place for one in result.troubles] == ["Work, message 2"]
    boxes.bring(tmp_path / "out")
    assert boxes.full(BOB) == {"Work": [LETTERS[0], LETTERS[2]]}


def test_what_its_user_deletes_meanwhile_is_not_missing(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Home", LETTERS[:1])
    boxes.put("Work", LETTERS[:3])
    done: list[int] = []

    def meanwhile(so_far: Exported) -> None:
        def delete(txn: Txn) -> None:
            work = mailboxes.mailbox_by_name(txn, "Work")
            assert work is not None
            messages.expunge(txn, work.id, [3], "ann", NOON, False)

        if not done:
            done.append(1)
            boxes.engine.transact(keys.user_scope(boxes.account().id), delete).result()

    result = drive(export_mail(boxes.desk, ANN, tmp_path / "out", "eml", progress=meanwhile))
    assert result.complete and result.mailboxes["Work"] == 2


def test_only_what_came_since_is_written(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS[:10])
    result = drive(export_mail(boxes.desk, ANN, tmp_path / "out", "eml", since=NOON + 7))
    assert result.complete and result.mailboxes["Work"] == 3


def test_the_audit_log_tells_it_before_the_first_octet_is_read(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS[:3])
    drive(export_mail(boxes.desk, ANN, tmp_path / "out", "eml", mailbox="work".title(), stop=lambda: True))
    _, row = boxes.engine.read(keys.AUDIT, lambda snap: next(audit.newest(snap)))
    assert (row.what, row.object) == ("mail export", ANN.key)
    assert row.after is not None and (row.after["messages"], row.after["mailbox"]) == (3, "Work")


def test_nobody_takes_anothers_mail(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS[:3])
    stranger = user(boxes.engine, boxes.clock, BOB.key)
    with pytest.raises(NoSuchAccount):
        drive(export_mail(stranger, ANN, tmp_path / "out", "eml"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(BadInput, match="has none of this name"):
        boxes.export(tmp_path / "out", "eml", mailbox="Nowhere")
    own = user(boxes.engine, boxes.clock, ANN.key)
    assert drive(export_mail(own, ANN, tmp_path / "out", "eml")).complete


def test_its_own_file_counts_each_mailbox(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", LETTERS[:2])
    boxes.export(tmp_path / "out", "mbox")
    state = json.loads((tmp_path / "out" / ".xtramail-export.json").read_text())
    size = sum(len(one.octets) for one in LETTERS[:2])
    assert state["finished"] and state["done"]["Work"] == [2, size, 2]
