"""Maildirs of other programs: what they mean, and what is wrong with them."""

from __future__ import annotations

import mailbox
import os
from pathlib import Path

from tests.mailbox.transfer.boxes import BOB, NOON, PLAIN, Boxes, Letter, told
from xtramail.mailbox.transfer.entries import FORMATS
from xtramail.model.flags import Flag

TEXT = PLAIN.replace(b"\r\n", b"\n")


def put(folder: Path, name: str, octets: bytes = TEXT, at: int = NOON) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(octets)
    os.utime(file, (at, at))
    return file


def test_dovecots_names_tell_flags_keywords_and_dates(tmp_path: Path) -> None:
    put(tmp_path, f"cur/1767268800.M1P1.host,S={len(TEXT)},W={len(PLAIN)}:2,FRSTDab")
    put(tmp_path, "dovecot-keywords", b"0 $Junk\n1 work\n25 last\n99 never\n")
    put(tmp_path, "new/1767268801.M1P1.host", TEXT + b"new\n", NOON + 1)
    put(tmp_path, ".Sent/cur/1.x.host:2,PSz", TEXT, NOON + 2)
    put(tmp_path, "dovecot-uidlist", b"3 V1 N2\n")
    boxes = Boxes()
    assert told(boxes.bring(tmp_path)) == []
    every = Flag.SEEN | Flag.FLAGGED | Flag.ANSWERED | Flag.DELETED | Flag.DRAFT
    assert boxes.full(BOB) == {
        "INBOX": [Letter(PLAIN, NOON, every, ("$Junk", "work")), Letter(PLAIN + b"new\r\n", NOON + 1)],
        # The letters of a folder are explained in the folder itself.
        "Sent": [Letter(PLAIN, NOON + 2, Flag.SEEN, ("$Forwarded",))],
    }


def test_folders_are_mailboxes_in_every_layout(tmp_path: Path) -> None:
    folders = (
        ".Work.Rome", ".R&AOk-sum&AOk-", ".Caf\u00e9", ".R&D", ".INBOX.Below", "INBOX", "Plain/&AMk-t&AOk-",
        "Plain/Below", "Plain/.Odd",
    )  # fmt: skip
    for name in folders:
        put(tmp_path, f"{name}/cur/1.x.host:2,S")
    (tmp_path / ".Empty" / "new").mkdir(parents=True)
    (tmp_path / "attachments").mkdir()
    boxes = Boxes()
    assert told(boxes.bring(tmp_path)) == []
    assert sorted(boxes.full(BOB)) == [
        "Café", "INBOX", "INBOX/Below", "Plain/Below", "Plain/Odd", "Plain/Été", "R&D", "Résumé", "Work/Rome",
    ]  # fmt: skip
    assert "Empty" in boxes.held(BOB) and "attachments" not in boxes.held(BOB)


def test_messages_come_in_the_order_in_which_they_arrived(tmp_path: Path) -> None:
    for number in (100, 20, 3):
        put(tmp_path, f"cur/{number}.x.host:2,", TEXT + b"%d\n" % number, number)
    put(tmp_path, "new/50.x.host", TEXT + b"50\n", 50)
    boxes = Boxes()
    boxes.bring(tmp_path)
    assert [letter.received_at for letter in boxes.full(BOB)["INBOX"]] == [3, 20, 50, 100]


def test_a_file_with_crlf_is_taken_as_it_is(tmp_path: Path) -> None:
    mixed = PLAIN + b"bare\nline\r\n"
    put(tmp_path, "cur/1.x.host:2,", mixed)
    boxes = Boxes()
    boxes.bring(tmp_path)
    assert [letter.octets for letter in boxes.full(BOB)["INBOX"]] == [mixed]


def test_what_is_wrong_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    outside = put(tmp_path, "outside", b"secret: yes\n\nof another\n")
    folder = tmp_path / "mail"
    put(folder, "cur/1.x.host:2,", TEXT)
    put(folder, "cur/2.x.host,S=5000:2,", TEXT + b"cut")
    put(folder, "cur/3.x.host:2,", b"")
    (folder / "cur" / "4.x.host:2,").symlink_to(outside)
    os.mkfifo(folder / "cur" / "5.x.host:2,")
    (folder / "cur" / "6.x.host:2,").mkdir()
    (folder / ".Linked").symlink_to(tmp_path, target_is_directory=True)
    (folder / ".Recovered" / "cur").mkdir(parents=True)
    (folder / ".A..B" / "cur").mkdir(parents=True)
    os.makedirs(os.fsencode(folder) + b"/.\xff\xfe/cur")
    put(folder, ".Recovered/cur/1.x.host:2,")
    put(folder, ".Good/cur/\udcff1.x.host:2,S", TEXT)
    boxes = Boxes()
    result = boxes.bring(folder)
    assert {name: [one.octets for one in some] for name, some in boxes.full(BOB).items()} == {
        "INBOX": [PLAIN, PLAIN + b"cut"],
        "Good": [PLAIN],
    }
    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in told(result)}
    assert "it is cut off; it was taken" in said["cur/2.x.host,S=5000:2,"]
    assert said["cur/3.x.host:2,"] == "it is empty"
    assert "symbolic link, which is not followed" in said["cur/4.x.host:2,"]
    assert said["cur/5.x.host:2,"] == "neither a file nor a folder"
    assert said["cur/6.x.host:2,"] == "a folder, and not a message"
    assert "symbolic link" in said[".Linked"]
    assert "Recovered holds what was deleted" in said[".Recovered"]
    assert said[".A..B"] == "a level of the folder's name is empty"
    assert said[".\\xff\\xfe"] == "the folder's name is not UTF-8 text; rename it"
    assert result.doubtful == 1
    # The folder and the message of Recovered are named both.
    assert result.refused == 9


def test_pythons_own_reader_sees_each_message_with_its_flags(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("INBOX", [Letter(PLAIN, NOON, Flag.SEEN | Flag.ANSWERED, ("$Forwarded",))])
    boxes.put("Work/Rome", [Letter(PLAIN, NOON + 5, Flag.DRAFT)])
    boxes.export(tmp_path / "out", "maildir")
    read = mailbox.Maildir(tmp_path / "out", create=False)
    (one,) = read
    assert (one.get_flags(), one.get_date(), one["Subject"]) == ("PRS", NOON, "plans")
    assert one.get_payload() == "Hello.\n"
    (other,) = read.get_folder("Work.Rome")
    assert (other.get_flags(), other.get_date()) == ("D", NOON + 5)


def test_what_pythons_own_writer_wrote_is_read(tmp_path: Path) -> None:
    written = mailbox.Maildir(tmp_path / "mail")
    one = mailbox.MaildirMessage(TEXT)
    one.set_flags("FS")
    one.set_subdir("cur")
    one.set_date(NOON)
    written.add(one)
    fresh = mailbox.MaildirMessage(TEXT + b"fresh\n")
    fresh.set_date(NOON + 9)
    written.add_folder("Work.Rome").add(fresh)
    boxes = Boxes()
    assert told(boxes.bring(tmp_path / "mail")) == []
    assert boxes.full(BOB) == {
        "INBOX": [Letter(PLAIN, NOON, Flag.SEEN | Flag.FLAGGED)],
        "Work/Rome": [Letter(PLAIN + b"fresh\r\n", NOON + 9)],
    }


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.put("Work", [Letter(PLAIN, keywords=("work",))])
    for format in FORMATS:
        boxes.export(tmp_path / format, format)
        for folder, _, files in os.walk(tmp_path / format):
            assert os.stat(folder).st_mode & 0o777 == 0o700
            assert {os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in files} <= {0o600}
