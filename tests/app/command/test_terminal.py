"""What a person at a terminal sees, and is asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.command.office import Office
from xtramail.app.command.context import cell, count_of, size_text, when
from xtramail.app.command.table import print_table


def at_a_terminal(office: Office, *words: str, answer: bytes = b"") -> tuple[int, str]:
    """Exit code and what the terminal shows when ``answer`` is typed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.command.program", "--config", str(office.config), *words],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "dumb", "COLUMNS": "200"},
    )
    os.close(follower)
    os.write(leader, answer)
    shown = b""
    while True:
        try:
            more = os.read(leader, 65_536)
        except OSError:
            # The last one who wrote is gone.
            break
        if not more:
            break
        shown += more
    os.close(leader)
    return process.wait(30), shown.decode()


def test_a_list_has_aligned_columns(office: Office) -> None:
    code, shown = at_a_terminal(office, "user", "list")
    lines = shown.splitlines()
    assert code == 0 and "\t" not in shown
    assert lines[0].startswith("address") and len(lines) == 5
    where = lines[0].index("type")
    assert [line[where:].split()[0] for line in lines[1:]] == ["user", "user", "user", "list"]


@pytest.mark.parametrize(
    "words", [("user", "remove", "ann@local.example"), ("domain", "remove", "local.example")], ids=["user", "domain"]
)
def test_what_cannot_be_undone_is_asked_first(office: Office, words: tuple[str, ...]) -> None:
    code, shown = at_a_terminal(office, *words, answer=b"n\n")
    assert code == 1 and "Remove " in shown and "given up before anything was changed" in shown
    assert office.json("user", "show", "ann@local.example")["status"] == "active"
    code, shown = at_a_terminal(office, *words, answer=b"y\n")
    assert code == 0 and "removed" in shown


def test_yes_answers_beforehand(office: Office) -> None:
    code, shown = at_a_terminal(office, "user", "remove", "ann@local.example", "--yes")
    assert code == 0 and "Remove" not in shown


def test_what_stands_in_a_table_is_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [("[red]x[/red]", ":smile:"), ("[/]", "[link=x]")])
    assert capsys.readouterr().out.split() == ["a", "b", "[red]x[/red]", ":smile:", "[/]", "[link=x]"]


def test_values_are_one_line_each() -> None:
    assert [cell(value) for value in (None, "", [], {}, True, 0, ["a", 1], "a\nb\tc\x1b")] == [
        *("-", "-", "-", "-", "yes", "0", "a, 1"),
        "a\\nb\\tc\\x1b",
    ]
    assert [size_text(octets) for octets in (0, 1023, 1024, 1.5 * 2**30, 2**60)] == [
        *("0 B", "1023 B", "1.0 KiB", "1.5 GiB"),
        "1048576.0 TiB",
    ]
    assert (when(0.0), when(86_400.0)) == (None, "1970-01-02T00:00:00Z")
    assert (count_of(1, "message"), count_of(2, "message")) == ("1 message", "2 messages")
