"""docs/ says of log, metrics and alarms what the source has, all of it and nothing else."""

from __future__ import annotations

import re

import pytest

from tests import told_things
from tests.source_tree import ROOT
from xtramail.telemetry.metrics import Metrics

DOCS = ROOT / "docs"
EVENTS_WITH_ADVICE = {
    "alert-given-up",
    "bug",
    "limits-cut",
    "recipient-held",
    "recipient-unconfirmed",
    "reload-put-off",
    "settings-refused",
    "start-failed",
    "turn-slow",
}
PARTS = ("Means", "Look", "Do", "Clears")


def rows(name: str, first: str) -> list[list[str]]:
    """Cells of the table of a page whose first column is called ``first``."""
    lines = (DOCS / name).read_text("utf-8").partition(f"\n| {first} |")[2].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines if line.startswith("|")]


def words(cell: str) -> tuple[str, ...]:
    return tuple(re.findall("`([^`]+)`", cell))


def test_every_event_of_the_log_is_there_with_its_level_and_fields() -> None:
    told = {words(event)[0]: (level, words(fields)) for event, level, fields, _ in rows("LOGS.md", "event")}
    assert told == {event.name: (event.level, event.fields) for event in told_things.events().values()}


def test_every_metric_is_there_with_its_labels() -> None:
    told = {words(name)[0]: words(labels) for name, labels, _ in rows("METRICS.md", "metric")}
    assert told == {metric.name: metric.labels for metric in told_things.metrics().values()}


def test_the_names_are_those_that_are_scraped() -> None:
    known = {name.removesuffix("_total") for name in told_things.metrics()}
    scraped = {family.name for family in Metrics().registry.collect()}
    assert len(scraped) > 20 and scraped <= known


def sections() -> dict[str, str]:
    text = (DOCS / "RUNBOOK.md").read_text("utf-8")
    parts = re.split(r"^## ([a-z-]+)$", text, flags=re.MULTILINE)
    assert len(parts[1::2]) == len(set(parts[1::2])), "a kind has two sections"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_runbook_has_a_section_for_each_kind_and_no_other() -> None:
    assert set(sections()) == told_things.alarm_kinds() | EVENTS_WITH_ADVICE
    assert set(told_things.events()) >= EVENTS_WITH_ADVICE


@pytest.mark.parametrize("kind", sorted(sections()))
def test_a_section_says_what_it_is_what_it_means_where_to_look_what_to_do_and_when_it_is_over(kind: str) -> None:
    text = sections()[kind]
    what = text.split()[0].strip(".,").lower()
    if kind in EVENTS_WITH_ADVICE:
        assert what == "event"
    else:
        assert what == ("alert" if kind in told_things.alert_kinds() else "alarm"), kind
    for part in PARTS:
        assert re.search(rf"^- \*\*{part}\*\*: \S", text, re.MULTILINE), part


def test_commands_that_the_runbook_names_are_there() -> None:
    text = (DOCS / "RUNBOOK.md").read_text("utf-8")
    for line in sorted(set(re.findall(r"`xtramail ([^`]+)`", text))):
        told_things.check_command(line)
