"""The README says what is true: what works names its test, and what does not work yet is really not offered."""

from __future__ import annotations

import re

import pytest

from tests.source_tree import ROOT
from xtramail.app.command.main import main
from xtramail.app.settings import describe

README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def section(heading: str) -> str:
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows() -> list[tuple[str, str, str]]:
    lines = [line for line in section("What works").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(what, state, shown_by) for what, state, shown_by in cells[2:]]


def has_tests(path: str) -> bool:
    return re.search(r"^\s*(async )?def test_", (ROOT / path).read_text("utf-8"), re.MULTILINE) is not None


@pytest.mark.parametrize(("what", "state", "shown_by"), rows())
def test_a_row_of_the_table_is_true(what: str, state: str, shown_by: str) -> None:
    if state == "works today":
        assert has_tests(shown_by.strip("`")), what
        return
    assert state == "not yet", what
    no, kind, name = shown_by.split(" ")
    offered = {"command": set(main.modules), "setting": {setting.key for setting in describe()}}[kind]
    assert no == "no"
    assert name not in offered, f"{name} is offered now: say in the README that it works, and which test shows it"


def test_every_promise_names_a_test() -> None:
    promises = re.split(r"^\d+\. ", section("Promises"), flags=re.MULTILINE)[1:]
    assert len(promises) >= 8
    for promise in promises:
        found = re.search(r"\(\[test\]\(([^)]+)\)\)", promise)
        assert found, promise
        assert has_tests(found[1]), promise


def test_links_lead_to_files_that_are_there() -> None:
    assert len(PAGES) >= 9
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def promises() -> list[tuple[str, str]]:
    lines = (ROOT / "docs" / "PROMISES.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    return [(what, shown_by) for what, shown_by in cells if what != "promise" and set(what) != {"-"}]


@pytest.mark.parametrize(("what", "shown_by"), promises())
def test_a_promise_names_tests_that_are_there_or_says_that_it_is_not_kept_yet(what: str, shown_by: str) -> None:
    if shown_by.startswith("not yet"):
        return
    named = re.findall(r"`([^`]+)`", shown_by)
    assert named, what
    for one in named:
        path, _, name = one.partition("::")
        assert has_tests(path), one
        assert not name or re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8")), one


def test_whatever_the_readme_shows_something_by_stands_among_the_promises_too() -> None:
    shown = {shown_by.strip("`") for _, state, shown_by in rows() if state == "works today"}
    shown |= set(re.findall(r"\(\[test\]\(([^)]+)\)\)", section("Promises")))
    named = {one.partition("::")[0] for _, shown_by in promises() for one in re.findall(r"`(tests/[^`]+)`", shown_by)}
    assert len(shown) > 50 and shown - named == set()


def test_no_promise_stands_there_twice() -> None:
    found = [what for what, _ in promises()]
    assert len(found) > 100 and len(set(found)) == len(found)
