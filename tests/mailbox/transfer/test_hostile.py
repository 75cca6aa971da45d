"""Files of any octets at all: nothing raises, nothing is brought twice, and every octet is accounted for."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mailbox.transfer.boxes import BOB, Boxes
from tests.mailbox.transfer.test_round_trips import PIECES
from xtramail.mailbox.transfer.entries import Format

LINES = (
    b"From a@b.example Thu Jan  1 12:00:00 2026\n", b"From - Thu Jan  1 12:00:00 2026\r\n", b"\n", b"\r\n", b"\0",
    b"X-Xtramail-Kept: lines=kept; end=open\nStatus: O\nX-Status: \nX-Keywords: \n", b"X-IMAP: 1 2\n",
    b"X-Keywords: a (b \xff\n", b"\tfolded\n", b"Received: x; Thu, 1 Jan 2026 12:00:00 +0000\n",
)  # fmt: skip
files = st.lists(st.sampled_from(PIECES + LINES) | st.binary(max_size=30), max_size=30).map(b"".join)
maildir_names = st.text(st.characters(codec="latin-1", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
whole = settings(derandomize=True, deadline=None, max_examples=60)


def read(folder: Path, format: Format) -> None:
    boxes = Boxes()
    result = boxes.bring(folder, format)
    before = boxes.held(BOB)
    assert sum(map(len, before.values())) == result.messages
    assert result.stopped == ""
    again = boxes.bring(folder, format)
    assert (again.messages, again.already) == (0, result.messages)
    assert boxes.held(BOB) == before


@whole
@given(octets=files)
def test_any_file_can_be_read_as_an_mbox(octets: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "x.mbox").write_bytes(octets)
        read(Path(folder), "mbox")
        read(Path(folder) / "x.mbox", "mbox")


@whole
@given(octets=files, index=files, name=maildir_names)
def test_any_file_can_be_read_as_eml(octets: bytes, index: bytes, name: str) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / (name + ".eml")).write_bytes(octets)
        (Path(folder) / "messages.jsonl").write_bytes(index)
        read(Path(folder), "eml")


@whole
@given(octets=files, table=files, name=maildir_names, folder_name=maildir_names)
def test_any_file_can_be_read_as_maildir(octets: bytes, table: bytes, name: str, folder_name: str) -> None:
    with TemporaryDirectory() as folder:
        inside = Path(folder) / ("." + folder_name)
        (inside / "cur").mkdir(parents=True)
        (inside / "cur" / name).write_bytes(octets)
        (inside / "dovecot-keywords").write_bytes(table)
        read(Path(folder), "maildir")
