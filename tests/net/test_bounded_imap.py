"""A primary's IMAP server that never comes to an end: the visit ends, and nothing of its size is kept."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from tests.fuzz.targets.visits import dial
from tests.journeys.authority import Authority
from xtramail.directory.imap_access import ImapAccess
from xtramail.model.secret import Secret
from xtramail.net.bounded_imap import MOST_ANSWER
from xtramail.net.imap_visit import Visit, VisitFailed

OPENED = b"* OK [CAPABILITY IMAP4rev1] hi\r\n* CAPABILITY IMAP4rev1\r\nTAG OK done\r\nTAG OK in\r\n"
ID = "<1@example.test>"


def visit(script: bytes, folder: Path) -> Visit:
    access = ImapAccess(host="primary.example", secret=Secret("s"), ca=str(Authority(folder).file))
    return Visit(access, "ann@example.test", connect=1.0, answer=1.0, dial=dial(script))


@pytest.mark.parametrize(
    "said",
    [
        b"* 1 EXISTS\r\n" * (MOST_ANSWER // 12 + 1),
        b"* LIST () NIL {%d}\r\n" % (MOST_ANSWER + 1),
        b"* LIST () NIL {99999999999}\r\n",
        b"* OK " + b"x" * 2_000_000 + b"\r\n",
        (b"* LIST () NIL {900000}\r\n" + b"x" * 900_000 + b"\r\n") * 12,
    ],
)
def test_an_answer_without_end_is_not_read_to_its_end(said: bytes, tmp_path: Path) -> None:
    going = visit(OPENED + said, tmp_path)
    going.open()
    tracemalloc.start()
    try:
        with pytest.raises(VisitFailed) as failed:
            going.found([ID])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        going.close()
    assert failed.value.silent or "more than" in failed.value.text
    # A short line is an object of five times its size.
    assert peak < 8 * MOST_ANSWER


def test_a_greeting_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    going = visit(b"* OK hi {99999999999}\r\n", tmp_path)
    with pytest.raises(VisitFailed, match="more than 8 MiB"):
        going.open()
    going.close()


def test_what_a_large_mailbox_says_is_read(tmp_path: Path) -> None:
    listed = b'* LIST () "/" "INBOX"\r\nTAG OK done\r\n* 900000 EXISTS\r\nTAG OK in\r\n'
    capable = b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"
    found = capable + b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 100_000)) + b"\r\nTAG OK done\r\n"
    header = b"Message-ID: " + ID.encode() + b"\r\n\r\n"
    row = b"* 1 FETCH (UID %d BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%b)\r\n"
    rows = b"".join(row % (uid, len(header), header) for uid in range(1, 1001)) + b"TAG OK done\r\n"
    going = visit(OPENED + listed + found + rows, tmp_path)
    going.open()
    assert going.found([ID]) == {ID}
    going.close()
