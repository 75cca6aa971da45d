"""What is exported and imported again is what it was: octets, flags, keywords, dates and mailboxes, in each format."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mailbox.transfer.boxes import ANN, BOB, PLAIN, Boxes, Letter, same
from xtramail.mailbox.transfer.entries import FORMATS, Format
from xtramail.model.flags import Flag

PIECES = (
    b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"From ", b">From ", b">", b"From ann@x.example Sat Nov 21 18:44:05 2026",
    b"Status: RO", b"X-Status: F", b"X-Keywords: a", b"X-Xtramail-Kept: lines=lf; end=line", b"Subject: x", b" ",
    b"X-Mozilla-Status: 0008", b"Content-Length: 3", b"\xff\xe4", b"text", b"--b", b"ends",
)  # fmt: skip
"""Of what formats, headers and line ends are made, so that they meet in every order."""

octets = st.lists(st.sampled_from(PIECES), min_size=1, max_size=24).map(b"".join)
keywords = st.lists(
    st.sampled_from(("$Forwarded", "$Junk", "NonJunk", "work", "$label1", "a.b")), max_size=3, unique=True
)
letters = st.builds(
    Letter,
    octets=octets,
    received_at=st.integers(0, 4_000_000_000),
    flags=st.integers(0, 31).map(Flag),
    keywords=keywords.map(lambda words: tuple(sorted(words))),
)
level = st.text(
    st.characters(codec="utf-8", exclude_characters="/", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
).filter(lambda text: text.upper() != "INBOX" and text not in ("Recovered", "Recovered messages"))
names = st.lists(level, min_size=1, max_size=3).map("/".join) | st.sampled_from(
    (
        "INBOX", "INBOX/Work", "Work.mbox", "Work.mbox/Rome", "R&D", "a.b", "100%", ".hidden", "..", "7.eml", "cur",
        "x\\2e",
    )
)  # fmt: skip


def goes_and_comes(inside: dict[str, list[Letter]], format: Format) -> None:
    boxes = Boxes()
    boxes.make("INBOX")
    for name, some in inside.items():
        boxes.put(name, some)
    with TemporaryDirectory() as folder:
        exported = boxes.export(Path(folder) / "out", format)
        assert exported.complete and exported.messages == sum(map(len, inside.values()))
        imported = boxes.bring(Path(folder) / "out", format)
        again = boxes.bring(Path(folder) / "out", format)
    assert imported.troubles == [] and not imported.refused
    before, after = boxes.held(ANN), boxes.held(BOB)
    if format == "maildir":
        # It has no order but that of dates.
        assert same(before, after)
    else:
        assert before == after
    assert (again.messages, again.already) == (0, imported.messages)


quickly = settings(derandomize=True, deadline=None, max_examples=40)
mailboxes = st.dictionaries(names, st.lists(letters, max_size=4), max_size=3)


@quickly
@given(inside=mailboxes)
def test_mbox_brings_everything_back_as_it_was(inside: dict[str, list[Letter]]) -> None:
    goes_and_comes(inside, "mbox")


@quickly
@given(inside=mailboxes)
def test_maildir_brings_everything_back_as_it_was(inside: dict[str, list[Letter]]) -> None:
    goes_and_comes(inside, "maildir")


@quickly
@given(inside=mailboxes)
def test_eml_brings_everything_back_as_it_was(inside: dict[str, list[Letter]]) -> None:
    goes_and_comes(inside, "eml")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"end"])
def test_a_large_message_comes_back_as_it_was(tmp_path: Path, format: Format, end: bytes) -> None:
    boxes = Boxes()
    lines = b"From here on\r\n>From there\r\n" + b"x" * 300_000 + b"\r\n" + b">" * 300_000 + b"From \r\n"
    boxes.put("Work", [Letter(PLAIN + lines * 4 + end), Letter(PLAIN)])
    boxes.export(tmp_path / "out", format)
    boxes.bring(tmp_path / "out")
    assert boxes.full(BOB) == boxes.full(ANN)


@pytest.mark.parametrize("format", FORMATS)
def test_equal_messages_are_as_many_as_they_were(tmp_path: Path, format: Format) -> None:
    boxes = Boxes()
    boxes.put("Work", [Letter(PLAIN)] * 5)
    boxes.put("Home", [Letter(PLAIN)] * 2)
    boxes.export(tmp_path / "out", format)
    assert boxes.bring(tmp_path / "out").messages == 7
    assert boxes.full(BOB) == {"Work": [Letter(PLAIN)] * 5, "Home": [Letter(PLAIN)] * 2}


@pytest.mark.parametrize("format", FORMATS)
def test_forty_keywords_are_kept_where_the_format_can(tmp_path: Path, format: Format) -> None:
    boxes = Boxes()
    words = [f"word{number:02d}" for number in range(40)]
    boxes.put("Work", [Letter(PLAIN + word.encode(), keywords=(word,)) for word in words])
    exported = boxes.export(tmp_path / "out", format)
    boxes.bring(tmp_path / "out")
    found = [one.keywords for one in boxes.full(BOB)["Work"]]
    lost = 14 if format == "maildir" else 0
    assert exported.messages == 40
    assert exported.unnamed == lost == found.count(())


def test_a_name_too_long_for_a_file_is_cut_and_the_mail_is_kept(tmp_path: Path) -> None:
    boxes = Boxes()
    name = "ä" * 300
    boxes.put(name, [Letter(PLAIN)])
    for format in FORMATS:
        boxes.export(tmp_path / format, format)
        boxes.bring(tmp_path / format)
    assert all(letters == [Letter(PLAIN)] and "~" in name for name, letters in boxes.full(BOB).items())
