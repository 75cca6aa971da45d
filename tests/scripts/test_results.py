"""What is written down of a run: judged, reasoned, and readable again."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from scripts.benchmarks.side_by_side.chart import chart
from scripts.benchmarks.side_by_side.goals import (
    GOALS,
    NOTES,
    REASONS,
    Word,
    alone,
    judged,
    reason,
    unexplained,
)
from scripts.benchmarks.side_by_side.report import report
from scripts.benchmarks.side_by_side.rows import Results, Row, Sample, parse, ratio, save


def row(name: str, *costs: float) -> dict[str, Row]:
    return {name: Row(name=name, unit="message", samples=[Sample(cost=cost, rate=10.0) for cost in costs])}


def beside(name: str, ours: float, *theirs: float) -> Results:
    return {"xtramail": row(name, ours), **{f"other {place}": row(name, cost) for place, cost in enumerate(theirs)}}


def test_a_row_is_the_median_of_its_rounds_with_their_spread() -> None:
    found = row("work", 90.0, 100.0, 120.0)["work"]
    assert (found.cost, found.spread) == (100.0, 0.3)


def test_a_row_is_held_against_the_better_of_the_others() -> None:
    assert judged(beside("work", 10.0, 50.0, 9.0), "work") is Word.BEHIND
    assert judged(beside("work", 10.0, 50.0, 11.0), "work") is Word.REACHED


def test_a_row_that_is_ahead_may_be_short_of_its_goal() -> None:
    name = "SMTP, 10 connections"
    assert GOALS[name].times == 10
    assert judged(beside(name, 10.0, 99.0), name) is Word.AHEAD
    assert judged(beside(name, 10.0, 101.0), name) is Word.REACHED


def test_a_row_may_have_to_stay_under_a_figure_of_its_own() -> None:
    name = "memory of an idle session"
    assert judged(beside(name, 39.0, 600.0), name) is Word.REACHED
    assert judged(beside(name, 41.0, 600.0), name) is Word.AHEAD
    assert judged(beside(name, 41.0), name) is Word.SHORT
    assert judged(beside(name, 39.0), name) is Word.REACHED


def test_a_limit_that_a_row_has_alone_is_judged_without_others() -> None:
    name = "expiry, longest lock"
    assert GOALS[name].times == 0 and GOALS[name].text == "at most 20,000"
    assert judged(beside(name, 19_000.0), name) is Word.REACHED
    assert judged(beside(name, 21_000.0), name) is Word.SHORT


def test_a_row_that_nothing_is_held_against_is_told_and_needs_no_reason() -> None:
    results = beside("work", 10.0)
    assert judged(results, "work") is Word.ALONE
    assert alone(results) == ["work"] and unexplained(results) == []
    assert alone(beside("work", 10.0, 1.0)) == [] and alone(grown("work", 1.0, 9.0)) == []


def grown(work: str, small: float, large: float, *theirs: float) -> Results:
    """The same work at two sizes, and what others take at the larger one."""
    found = row(f"{work}, 1 GiB", small) | row(f"{work}, 2 GiB", large)
    found[f"{work}, 2 GiB"].smallest = f"{work}, 1 GiB"
    others = {f"other {place}": row(f"{work}, 2 GiB", cost) for place, cost in enumerate(theirs)}
    return {"xtramail": found, **others}


def test_a_row_at_its_largest_size_is_held_against_the_smallest() -> None:
    assert judged(grown("work", 10.0, 20.0), "work, 2 GiB") is Word.REACHED
    assert judged(grown("work", 10.0, 20.0), "work, 1 GiB") is Word.MEASURE
    assert judged(grown("work", 10.0, 21.0), "work, 2 GiB") is Word.GROWS
    assert judged(grown("work", 10.0, 21.0, 90.0), "work, 2 GiB") is Word.GROWS
    assert judged(grown("work", 10.0, 20.0, 90.0), "work, 2 GiB") is Word.REACHED
    assert judged(grown("work", 10.0, 20.0, 15.0), "work, 2 GiB") is Word.BEHIND
    assert unexplained(grown("work", 10.0, 21.0)) == ["work, 2 GiB"]
    assert unexplained(grown("work", 10.0, 20.0)) == []


def test_a_row_that_is_behind_needs_a_reason() -> None:
    explained = next(iter(REASONS))
    results = beside("work", 10.0, 1.0)
    assert unexplained(results) == ["work"]
    assert unexplained(beside(explained, 10.0, 1.0)) == []
    assert unexplained(beside(f"{explained}, 10,000 messages", 10.0, 1.0)) == []


def test_a_row_that_is_ahead_and_short_of_its_goal_needs_a_reason() -> None:
    name = "expiry"
    assert GOALS[name].times == 20 and not reason(name)
    assert unexplained(beside(name, 10.0, 199.0)) == [name]
    assert unexplained(beside(name, 10.0, 201.0)) == []
    name = "all bodies"
    assert judged(beside(name, 10.0, 11.0), name) is Word.AHEAD and reason(name)
    assert unexplained(beside(name, 10.0, 11.0)) == []


def test_figures_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    results = beside("work", 10.0, 30.0) | {"xtramail": row("work", 10.0) | grown("else", 1.0, 2.0)["xtramail"]}
    save(tmp_path / "figures.json", results, {"messages": 5})
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert parse(figures) == results
    assert figures["messages"] == 5 and figures["machine"]["cores"] > 0
    assert ratio(parse(figures), "other 0", "work") == 3.0


def test_the_page_says_ratio_goal_and_reason_of_each_row() -> None:
    explained = next(iter(REASONS))
    results = beside(explained, 10.0, 5.0)
    results["xtramail"] |= row("alone", 7.0)
    page = report({"mail": results}, {"mail": {"Dovecot": "2.3"}})
    lines = page.splitlines()
    assert "## Mail" in lines and "| Dovecot | 2.3 |" in lines
    behind = next(line for line in lines if line.startswith(f"| {explained} |"))
    assert "| 10.0 ± 0 %, 10.0/s | 5.00 ± 0 %, 10.0/s | 0.5 |" in behind
    assert behind.endswith(f"**behind**: {REASONS[explained]} |")
    assert next(line for line in lines if line.startswith("| alone |")).endswith("|  |  |  |  |")
    assert len({line.count("|") for line in lines if line.startswith(("| work", "| alone", f"| {explained}"))}) == 1


def test_the_page_says_how_a_row_grew() -> None:
    lines = report({"mail": grown("work", 10.0, 13.0)}, {"mail": {}}).splitlines()
    small, large = (next(line for line in lines if line.startswith(f"| work, {size} GiB |")) for size in (1, 2))
    assert small.endswith("|  | the measure of 2 GiB |")
    assert large.endswith("| at most 2 times 1 GiB | reached; 1.30 times what it takes with 1 GiB |")
    lines = report({"mail": grown("work", 10.0, 13.0, 40.0)}, {"mail": {}}).splitlines()
    large = next(line for line in lines if line.startswith("| work, 2 GiB |"))
    told = "| 3.1 | not behind, at most 2 times 1 GiB | reached; 1.30 times what it takes with 1 GiB |"
    assert large.endswith(told)


def test_the_page_says_what_a_row_is_beside_others() -> None:
    name = "all bodies, no TLS"
    lines = report({"mail": beside(name, 10.0, 50.0)}, {"mail": {}}).splitlines()
    assert next(line for line in lines if line.startswith(f"| {name} |")).endswith(f"| reached; {NOTES[name]} |")
    lines = report({"mail": beside(name, 10.0, 5.0)}, {"mail": {}}).splitlines()
    told = f"| **behind**: {REASONS[name]}; {NOTES[name]} |"
    assert next(line for line in lines if line.startswith(f"| {name} |")).endswith(told)


def test_the_chart_is_xml_with_a_bar_for_each_ratio() -> None:
    text = chart({"mail": beside("work < play", 10.0, 50.0, 5.0)}, "title")
    document = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    words = [element.text for element in document.iter(f"{space}text")]
    assert {"title", "mail", "work < play", "5.0", "0.5"} <= set(words)
    bars = [element for element in document.iter(f"{space}rect") if element.get("height") == "8"]
    # To the right of the line of 1 when the other takes more, to its left when we do.
    assert len(bars) == 2 and float(bars[0].attrib["x"]) > float(bars[1].attrib["x"])
