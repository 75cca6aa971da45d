"""Folders of EML files: ours and those of other programs."""

from __future__ import annotations

import json
import os
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.mailbox.transfer.boxes import BOB, NOON, PLAIN, Boxes, Letter, told
from xtramail.mailbox.transfer.header_dates import arrival_of
from xtramail.model.flags import Flag


def put(folder: Path, name: str, octets: bytes = PLAIN) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(octets)
    os.utime(file, (NOON, NOON))
    return file


def test_folders_of_other_programs_are_mailboxes(tmp_path: Path) -> None:
    received = (
        b"Received: from a by b; Fri, 2 Jan 2026 12:00:00 +0000\r\n"
        b"Received: by c; Thu, 1 Jan 1970 00:00:00 +0000\r\n"
    )
    put(tmp_path, "first.eml", received + PLAIN)
    put(tmp_path, "Work/second.EML", b"Date: Sat, 3 Jan 2026 13:00:00 +0100\n" + PLAIN.replace(b"\r\n", b"\n"))
    put(tmp_path, "Work/Rome/third.eml", PLAIN)
    put(tmp_path, "Work/notes.txt", b"no mail")
    put(tmp_path, "Work/.hidden.eml", PLAIN)
    boxes = Boxes()
    assert told(boxes.bring(tmp_path)) == []
    assert boxes.full(BOB) == {
        "INBOX": [Letter(received + PLAIN, NOON + 86_400)],
        "Work": [Letter(b"Date: Sat, 3 Jan 2026 13:00:00 +0100\r\n" + PLAIN, NOON + 2 * 86_400)],
        "Work/Rome": [Letter(PLAIN, NOON)],
    }


def test_a_lone_file_is_one_message_of_inbox(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.bring(put(tmp_path, "one.eml"))
    assert boxes.full(BOB) == {"INBOX": [Letter(PLAIN, NOON)]}


def test_ours_are_as_they_are_stored_and_told_of_beside_them(tmp_path: Path) -> None:
    boxes = Boxes()
    letter = Letter(b"Subject: x\n\nbare\r\n", NOON, Flag.SEEN | Flag.FLAGGED, ("work",))
    boxes.put("Work", [letter])
    boxes.export(tmp_path / "out", "eml")
    (file,) = (tmp_path / "out" / "Work").glob("*.eml")
    assert file.read_bytes() == letter.octets
    assert file.stat().st_mtime == NOON
    assert message_from_bytes(file.read_bytes())["Subject"] == "x"
    (line,) = (tmp_path / "out" / "Work" / "messages.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "file": "0000000001.eml",
        "octets": len(letter.octets),
        "received": NOON,
        "date": "2026-01-01T12:00:00Z",
        "flags": ["\\Flagged", "\\Seen"],
        "keywords": ["work"],
    }


def test_what_is_wrong_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    put(tmp_path, "a.eml")
    put(tmp_path, "b.eml", b"")
    put(tmp_path, "c.eml", PLAIN + b"\0")
    (tmp_path / "d.eml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "e.eml")
    put(tmp_path, "f.eml", PLAIN[:-4])
    put(
        tmp_path,
        "messages.jsonl",
        b'{"file":"f.eml","octets":%d,"received":1,"date":"","flags":["\\\\seen","\\\\Nonsense",1]}\n' % len(PLAIN)
        + b'{"file":"f.eml","octets":%d,"received":1,"date":"","flags":["\\\\seen","\\\\Nonsense"]}\n' % len(PLAIN)
        + b'{"file":"g.eml","octets":1,"received":1,"date":""}\n'
        + b"\xff\xfe\n[]\n" + b"x" * 200_000 + b'\n{"file":',
    )  # fmt: skip
    os.makedirs(os.fsencode(tmp_path) + b"/\xff")
    boxes = Boxes()
    result = boxes.bring(tmp_path)
    assert boxes.full(BOB) == {"INBOX": [Letter(PLAIN, NOON), Letter(PLAIN[:-4], 1, Flag.SEEN)]}
    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in told(result)}
    assert said["messages.jsonl"].startswith("5 lines cannot be read")
    assert said["b.eml"] == "it is empty"
    assert "NUL" in said["c.eml"]
    assert "symbolic link" in said["d.eml"]
    assert said["e.eml"] == "neither a file nor a folder"
    assert said["f.eml"] == f"it was written with {len(PLAIN)} octets, and it has {len(PLAIN) - 4}; it was taken"
    assert said["g.eml"] == "it was written, says messages.jsonl, and is not there"
    assert "not UTF-8" in said["\\xff"]


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"Received: by a;\r\n\tFri, 2 Jan 2026 12:00:00 +0000\r\nDate: x\r\n\r\n", NOON + 86_400),
        (b"Date: Thu, 1 Jan 2026 12:00:00 +0000\n\nReceived: by a; Fri, 2 Jan 2026 12:00:00 +0000\n", NOON),
        (b"Received: nonsense\nDate: Thu, 1 Jan 2026 12:00:00 +0000\n\n", NOON),
        (b"Date: nonsense\n\n", None),
        (b"", None),
    ],
)
def test_a_header_tells_when_its_message_came(head: bytes, seconds: int | None) -> None:
    assert arrival_of(head) == seconds
