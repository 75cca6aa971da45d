"""RESULTS.md: all figures of one run for people, each with its ratio, its goal, and why it is not reached."""

from __future__ import annotations

from collections.abc import Mapping

from .at_scale.growth import MOST, growth, largest
from .goals import GOALS, NOT_BEHIND, Word, judged, note, reason
from .rows import OURS, Results, Row, names, others, ratio, short

CHART = "results.svg"
_INTRODUCTION = f"""\
# Figures

Written by `scripts/bench`, which measures all of it anew and is the only one to change this file. Costs are processor
time of the server's whole family of processes for one unit of work, in microseconds where no other unit is named, as
the median of the rounds with half of what lies between the least and the most; behind it how many a second there were,
with the load generator on the same machine. "Times" is what the other takes when we take 1: above 1 is better for us.
What was measured at several sizes is held against itself, too: at the largest its best round may take {MOST:g} times
that at the smallest. Of the size of a whole store others know nothing, since each of their mailboxes has files of its
own: those rows have this measure alone.
"""


def report(sections: Mapping[str, Results], facts: Mapping[str, Mapping[str, str]]) -> str:
    """The document; ``facts`` are lines on how each section was measured, by name."""
    lines = [_INTRODUCTION, f"![times]({CHART})", ""]
    for section, results in sections.items():
        lines += [f"## {section[:1].upper()}{section[1:]}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in facts[section].items()]
        lines += ["", *_table(results), ""]
    return "\n".join(lines)


def _table(results: Results) -> list[str]:
    beside = others(results)
    heads = ["work", "unit", *results, *(f"times, {server.split()[-1]}" for server in beside), "goal", ""]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * (len(results) + len(beside)) + "---|---|"]
    for name in names(results):
        found = [rows.get(name) for rows in results.values()]
        first = next(row for row in found if row is not None)
        times = [ratio(results, server, name) for server in beside]
        cells = [
            first.name,
            first.unit,
            *(_figure(row) for row in found),
            *("" if one is None else f"{one:.1f}" for one in times),
            *_word(results, name),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _figure(row: Row | None) -> str:
    if row is None:
        return ""
    told = f"{short(row.cost)} ± {row.spread * 50:.0f} %"
    return f"{told}, {short(row.rate)}/s" if row.rate else told


def _word(results: Results, name: str) -> tuple[str, str]:
    """The goal of a row, and how it stands, with what there is to know of it."""
    word = judged(results, name)
    rows = results.get(OURS, {})
    if word is Word.ALONE:
        return "", note(name)
    if word is Word.MEASURE:
        return "", f"the measure of {largest(rows, name)}"
    goal, grew = GOALS.get(name, NOT_BEHIND), growth(rows, name)
    beside = any(name in found for server, found in results.items() if server != OURS)
    goals = [goal.text if beside or goal.at_most else "", grew.goal if grew is not None else ""]
    why = "" if word is Word.REACHED else reason(name)
    told = [f"{word.value}: {why}" if why else word.value, grew.text if grew is not None else "", note(name)]
    return ", ".join(filter(None, goals)), "; ".join(filter(None, told))
