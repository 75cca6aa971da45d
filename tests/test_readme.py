"""README's table of what works stays true: each row that works names the tests that show it."""

from __future__ import annotations

import re

from tests.source_tree import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def rows() -> list[tuple[str, str, str]]:
    section = README.partition("## What works")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [(what, state, shown_by) for what, state, shown_by in cells[2:]]


def test_what_works_today_is_shown_by_tests_that_exist() -> None:
    works = [row for row in rows() if row[1] == "works today"]
    assert works
    for what, _state, shown_by in works:
        path = ROOT / shown_by.strip("`")
        assert path.is_file(), what
        assert re.search(r"^\s*(async )?def test_", path.read_text("utf-8"), re.MULTILINE), what


def test_every_other_row_says_not_yet_and_names_nothing() -> None:
    assert {(state, shown_by) for _what, state, shown_by in rows() if state != "works today"} == {("not yet", "")}


def test_links_lead_to_files_that_are_there() -> None:
    for name in ("README", "OPERATING", "CONTRIBUTING", "SECURITY", "CHANGELOG", "DESIGN"):
        text = (ROOT / f"{name}.md").read_text("utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / target).exists(), (name, target)
