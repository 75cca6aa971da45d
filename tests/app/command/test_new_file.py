"""New files with secrets in them: private, never over another, gone where nothing came of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xtramail.app.command.new_file import NewFile, csv_text
from xtramail.model.errors import BadInput


def test_what_is_written_is_there_for_its_owner_alone(tmp_path: Path) -> None:
    place = tmp_path / "new.csv"
    with NewFile("csv", str(place)) as file:
        file.write(["one\n", "t\u00fc\n"])
        assert place.read_text("utf-8") == "one\nt\u00fc\n"
    assert place.stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_where_nothing_was_written_or_it_was_taken_back(tmp_path: Path) -> None:
    place = tmp_path / "new.csv"
    with NewFile("csv", str(place)):
        pass
    with pytest.raises(KeyboardInterrupt), NewFile("csv", str(place)):
        raise KeyboardInterrupt
    with NewFile("csv", str(place)) as file:
        file.write(["secret"])
        file.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_stays_whatever_comes_after_it(tmp_path: Path) -> None:
    place = tmp_path / "new.csv"
    with pytest.raises(KeyboardInterrupt), NewFile("csv", str(place)) as file:
        file.write(["secret"])
        raise KeyboardInterrupt
    assert place.read_text() == "secret"


def test_nothing_is_written_over_or_through_a_link(tmp_path: Path) -> None:
    full, link, open_to_all, pipe = (tmp_path / name for name in ("full", "link", "open", "pipe"))
    full.write_text("mine")
    full.chmod(0o600)
    link.symlink_to(tmp_path / "elsewhere")
    open_to_all.touch(0o644)
    os.mkfifo(pipe, 0o600)
    for place in (full, link, open_to_all, pipe, tmp_path):
        with pytest.raises(BadInput, match=f"csv: {place} is there already"):
            NewFile("csv", str(place))
    assert full.read_text() == "mine" and not (tmp_path / "elsewhere").exists()


def test_an_empty_one_that_a_refused_command_had_to_leave_is_taken(tmp_path: Path) -> None:
    place = tmp_path / "new.csv"
    place.touch(0o600)
    with NewFile("csv", str(place)) as file:
        file.write(["one"])
    assert place.read_text() == "one"


def test_one_that_somebody_put_in_its_place_is_not_taken_away(tmp_path: Path) -> None:
    place = tmp_path / "new.csv"
    with NewFile("csv", str(place)):
        place.unlink()
        place.write_text("another's")
    assert place.read_text() == "another's"


def test_cells_that_a_spreadsheet_would_work_out_are_defused() -> None:
    rows = [("=1+1@x.example", "-a"), ("+a@x.example", "@b"), ("ann@x.example", "0")]
    assert csv_text(rows) == ["'=1+1@x.example,'-a\r\n'+a@x.example,'@b\r\nann@x.example,0\r\n"]
