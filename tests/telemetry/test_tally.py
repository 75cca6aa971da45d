"""Numbers that are counted often and read seldom."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from xtramail.telemetry.tally import Tally


def test_what_was_counted_is_told_by_its_labels() -> None:
    registry = CollectorRegistry()
    seen = Tally("seen", "What was seen.", ("kind", "place"), registry, grows=True)
    seen.of["fox", "wood"] += 1
    seen.of["fox", "wood"] += 1
    seen.of["hen", "yard"] += 1
    assert registry.get_sample_value("seen_total", {"kind": "fox", "place": "wood"}) == 2
    assert registry.get_sample_value("seen_total", {"kind": "hen", "place": "yard"}) == 1
    assert registry.get_sample_value("seen_total", {"kind": "hen", "place": "wood"}) is None


def test_what_may_shrink_is_a_gauge() -> None:
    registry = CollectorRegistry()
    there = Tally("there", "What is there.", ("kind",), registry, grows=False)
    there.of["fox",] += 1
    there.of["fox",] -= 1
    text = generate_latest(registry).decode()
    assert "# TYPE there gauge" in text
    assert 'there{kind="fox"} 0.0' in text


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    Tally("seen", "What was seen.", ("kind",), registry, grows=True)
    with pytest.raises(ValueError, match="Duplicated"):
        Tally("seen", "What was seen.", ("kind",), registry, grows=True)
