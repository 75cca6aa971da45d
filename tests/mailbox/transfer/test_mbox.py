"""mbox files of other programs: what they mean, and what is wrong with them."""

from __future__ import annotations

import io
import mailbox
import os
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.mailbox.transfer.boxes import ANN, BOB, NOON, PLAIN, Boxes, Letter, told
from xtramail.mailbox.transfer import mbox_reader
from xtramail.mailbox.transfer.mbox_lines import date_of, from_line, is_from_line
from xtramail.mailbox.transfer.mbox_reader import Region, regions
from xtramail.model.flags import Flag

LINE = b"From zoe@sender.example Thu Jan  1 12:00:00 2026\n"


def text(number: int = 1, body: bytes = b"Hello.\n") -> bytes:
    return b"Message-ID: <m%d@sender.example>\nSubject: %d\n\n" % (number, number) + body


def crlf(octets: bytes) -> bytes:
    return octets.replace(b"\n", b"\r\n")


def brought(tmp_path: Path, octets: bytes, name: str = "Work.mbox") -> tuple[list[Letter], list[str]]:
    """What comes of a file: messages of its one mailbox, and what was said."""
    (tmp_path / name).write_bytes(octets)
    boxes = Boxes()
    result = boxes.bring(tmp_path / name, "mbox")
    found = boxes.full(BOB)
    assert len(found) <= 1
    return next(iter(found.values()), []), told(result)


def test_lines_of_mboxrd_and_mboxo_lose_one_mark(tmp_path: Path) -> None:
    body = b">From here\n>>From there\n >From indented\nFromage\n"
    (letter,), said = brought(tmp_path, LINE + text(body=body) + b"\n")
    assert letter.octets == crlf(text(body=b"From here\n>From there\n >From indented\nFromage\n"))
    assert said == []
    assert letter.received_at == NOON


def test_a_line_that_some_writer_did_not_escape_is_text(tmp_path: Path) -> None:
    body = b"Hi\n\nFrom now on we meet at 10:30 each day\n\nFrom the office\n"
    (first, second), said = brought(tmp_path, LINE + text(1, body) + b"\n" + LINE + text(2))
    assert first.octets == crlf(text(1, body))
    assert second.octets == crlf(text(2))
    assert said == []


def test_a_message_that_no_empty_line_ends_is_one_of_its_own(tmp_path: Path) -> None:
    letters, _ = brought(tmp_path, LINE + text(1) + LINE + text(2) + LINE + text(3))
    assert [letter.octets for letter in letters] == [crlf(text(number)) for number in (1, 2, 3)]


def test_a_wrong_content_length_swallows_nothing(tmp_path: Path) -> None:
    first = b"Content-Length: 100000\n" + text(1)
    letters, _ = brought(tmp_path, LINE + first + b"\n" + LINE + text(2))
    assert [letter.octets for letter in letters] == [crlf(first), crlf(text(2))]


def test_a_file_with_crlf_is_taken_as_it_is(tmp_path: Path) -> None:
    octets = crlf(LINE + text(1, b">From x\n") + b"\n" + LINE + text(2) + b"\n")
    letters, _ = brought(tmp_path, octets)
    assert [letter.octets for letter in letters] == [crlf(text(1, b"From x\n")), crlf(text(2))]


def test_flags_of_mail_programs_are_read_and_their_lines_left_out(tmp_path: Path) -> None:
    head = b"Status: RO\nX-Status: AF\nX-Keywords: $Junk work\nX-UID: 7\n"
    (letter,), _ = brought(tmp_path, LINE + b"From: a@b.example\n" + head + text())
    assert letter.octets == crlf(b"From: a@b.example\n" + text())
    assert letter.flags == Flag.SEEN | Flag.ANSWERED | Flag.FLAGGED
    assert letter.keywords == ("$Junk", "work")


def test_thunderbird_keeps_what_it_deleted_until_it_compacts(tmp_path: Path) -> None:
    (tmp_path / "Work.mbox").write_bytes(
        LINE + b"X-Mozilla-Status: 0009\nX-Mozilla-Status2: 00000000\n" + text(1) + b"\n"
        + LINE + b"X-Mozilla-Status: 1007\nX-Mozilla-Keys: $label1        \n" + text(2) + b"\n"
    )  # fmt: skip
    boxes = Boxes()
    result = boxes.bring(tmp_path / "Work.mbox")
    flags = Flag.SEEN | Flag.ANSWERED | Flag.FLAGGED
    assert boxes.full(BOB) == {"Work": [Letter(crlf(text(2)), NOON, flags, ("$Forwarded", "$label1"))]}
    assert (result.messages, result.left_out, result.refused) == (1, 1, 0)


def test_folders_of_thunderbird_and_apple_mail_are_mailboxes(tmp_path: Path) -> None:
    for name in ("Inbox", "Work", "Work.sbd/Rome", "Trips.mbox/mbox", "Trips.mbox/Nice.mbox/mbox"):
        file = tmp_path / "mail" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(LINE + text(body=name.encode() + b"\n"))
    for beside in ("Inbox.msf", "msgFilterRules.dat", ".hidden"):
        (tmp_path / "mail" / beside).write_bytes(b"no mail")
    boxes = Boxes()
    result = boxes.bring(tmp_path / "mail")
    assert sorted(boxes.full(BOB)) == ["INBOX", "Trips", "Trips/Nice", "Work", "Work/Rome"]
    assert told(result) == []


def test_a_file_without_a_from_line_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "a").write_bytes(b"%PDF-1.4 From nowhere\n" * 9)
    (folder / "b").write_bytes(b"a line\nand another\n" + LINE + text(1))
    (folder / "c").write_bytes(LINE + text(2))
    boxes = Boxes()
    result = boxes.bring(folder, "mbox")
    assert {name: len(some) for name, some in boxes.full(BOB).items()} == {"b": 1, "c": 1}
    first, second = told(result)
    assert first.startswith("a: no mbox: it does not begin with a From_ line") and "198 octets" in first
    assert second.startswith("b: ") and "19 octets before the first one were passed over" in second


def test_a_file_that_was_cut_off_is_taken_and_named(tmp_path: Path) -> None:
    letters, said = brought(tmp_path, LINE + text(1) + b"\n" + LINE + text(2)[:-4])
    assert [letter.octets for letter in letters] == [crlf(text(1)), crlf(text(2)[:-4])]
    (line,) = said
    assert line.startswith("Work.mbox, message 2") and "may be cut off; it was taken" in line


def test_nul_and_empty_messages_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    letters, said = brought(
        tmp_path, LINE + text(1, b"a\0b\n") + b"\n" + LINE + b"\n" + LINE + text(2, b"\xff\xfe 8 bit\n") + b"\n"
    )
    assert [letter.octets for letter in letters] == [crlf(text(2, b"\xff\xfe 8 bit\n"))]
    assert [line.rpartition(": ")[2] for line in said] == [
        "it has NUL octets, which mail cannot have",
        "it is empty",
    ]


def test_huge_lines_and_blank_files_need_little(tmp_path: Path) -> None:
    line = b"y" * (3 << 20) + b"\n"
    letters, said = brought(tmp_path, LINE + text(1, line) + b"\n" + LINE + text(2, b">" * (2 << 20) + b"From z\n"))
    assert letters[0].octets == crlf(text(1, line))
    assert letters[1].octets.endswith(b"\r\n\r\n" + b">" * ((2 << 20) - 1) + b"From z\r\n")
    assert said == []
    assert brought(tmp_path, b"", "Empty.mbox") == ([], [])
    assert brought(tmp_path, b"\n\n", "Blank.mbox") == ([], [])


@pytest.mark.parametrize("block", [61, 64, 997, 4096])
def test_messages_are_found_wherever_blocks_end(tmp_path: Path, block: int) -> None:
    parts = [text(number, b"x" * number + b"\n\nFrom me\n") for number in range(60)]
    (tmp_path / "x").write_bytes(b"".join(LINE + part + b"\n" for part in parts))
    with (tmp_path / "x").open("rb", buffering=0) as file:
        found = [os.pread(file.fileno(), one.end - one.start, one.start) for one in regions(file, 0, block)]
    assert found == parts


def test_dates_of_from_lines_are_read_as_they_are_written() -> None:
    for seconds in (0, NOON, 4_102_444_799):
        assert date_of(from_line(seconds)) == seconds
    assert date_of(b"From - Thu Jan 01 12:00:00 2026") == NOON
    assert date_of(b"From a@b.example Thu Jan  1 13:00:00 2026 +0100") == NOON
    assert date_of(b"From 17@xxx Thu Jan 01 11:00:00 -0100 2026\r") == NOON
    assert date_of(b"From ???@??? Thu Jan 01 12:00:00 GMT 2026") == NOON
    assert date_of(b"From a@b.example Thu Jan  1 12:00 2026") == NOON
    assert date_of(b"From a@b.example Thu Feb 31 12:00:00 2026") is None
    assert not is_from_line(b"From all of us on Thu Jan  1 12:00:00 2026", after_blank=False)
    assert is_from_line(b"From a@b.example Thu Jan  1 12:00:00 2026", after_blank=False)


def test_pythons_own_reader_sees_each_message_with_its_flags(tmp_path: Path) -> None:
    boxes = Boxes()
    body = b"Subject: s\r\n\r\nHi\r\nFrom here on\r\n>From\r\n\r\nend"
    letters = [Letter(body, NOON + 1, Flag.SEEN | Flag.FLAGGED, ("work",)), Letter(PLAIN, NOON)]
    boxes.put("Work", letters)
    boxes.export(tmp_path / "out", "mbox")
    read = mailbox.mbox(tmp_path / "out" / "Work.mbox", create=False)
    first, second = list(read)
    assert (first.get_flags(), second.get_flags()) == ("ROF", "O")
    assert first["X-Keywords"] == "work" and first["Subject"] == "s"
    assert first.get_from() == "MAILER-DAEMON Thu Jan  1 12:00:01 2026"
    assert second.get_payload() == "Hello.\n"


def test_what_pythons_own_writer_wrote_is_read(tmp_path: Path) -> None:
    written = mailbox.mbox(tmp_path / "Work.mbox")
    for number, flags in enumerate(("RO", "ROAF", "")):
        mail = EmailMessage()
        mail["Subject"] = f"number {number}"
        mail.set_content("Hello\nFrom here on\n")
        one = mailbox.mboxMessage(mail)
        one.set_flags(flags)
        one.set_from("zoe@sender.example", (2026, 1, 1, 12, 0, number, 3, 1, 0))
        written.add(one)
    written.close()
    boxes = Boxes()
    assert told(boxes.bring(tmp_path / "Work.mbox")) == []
    found = boxes.full(BOB)["Work"]
    assert [one.flags for one in found] == [Flag.SEEN, Flag.SEEN | Flag.ANSWERED | Flag.FLAGGED, Flag(0)]
    assert [one.received_at for one in found] == [NOON, NOON + 1, NOON + 2]
    assert all(b"\r\nHello\r\nFrom here on\r\n" in one.octets and b"Status" not in one.octets for one in found)


def test_a_region_is_empty_where_nothing_lies_between_two_lines() -> None:
    with open(os.devnull, "rb", buffering=0) as nothing:
        assert list(regions(nothing, 0)) == []
    assert Region(b"From ", 6, 6, cut=False).start == 6
    assert mbox_reader.begins_as_mbox(io.BytesIO(b"\r\n\nFrom x").read())


def test_only_one_mailbox_is_written_when_one_is_named(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", [Letter(PLAIN)])
    boxes.put("Home", [Letter(PLAIN)])
    result = boxes.export(tmp_path / "out", "mbox", ANN, mailbox="Home")
    assert [file.name for file in (tmp_path / "out").glob("*.mbox")] == ["Home.mbox"]
    assert result.complete and result.messages == 1
