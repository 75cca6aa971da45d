"""What is written down of a run: judged, reasoned, and readable again."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

from scripts.benchmarks.side_by_side.chart import chart
from scripts.benchmarks.side_by_side.goals import GOALS, NOTES, REASONS, Word, judged, reason, unexplained
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
    assert judged(beside(name, 41.0), name) is Word.AHEAD


def test_a_row_that_nobody_else_has_is_not_judged() -> None:
    assert judged(beside("work", 10.0), "work") is Word.ALONE


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
    results = beside("work", 10.0, 30.0)
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
