"""A cost that grows faster than its work is told."""

from __future__ import annotations

from scripts.benchmarks.side_by_side.at_scale.growth import grown
from scripts.benchmarks.side_by_side.rows import Row, Sample


def row(*costs: float) -> Row:
    return Row(name="work", unit="command", samples=[Sample(cost=cost, rate=10.0) for cost in costs])


def test_a_cost_that_stays_is_not_told() -> None:
    assert grown({"STORE": [("1,000", row(100.0)), ("10,000", row(150.0)), ("100,000", row(199.0))]}) == []


def test_a_cost_that_more_than_doubles_is_told_with_both_sizes() -> None:
    told = grown({"STORE": [("1,000", row(100.0)), ("10,000", row(150.0)), ("100,000", row(201.0))]})
    assert told == ["STORE: 100 with 1,000, 201 with 100,000"]


def test_the_best_round_of_each_size_counts() -> None:
    # Somebody else used the machine in two rounds of three.
    assert grown({"STORE": [("1,000", row(100.0)), ("100,000", row(900.0, 700.0, 120.0))]}) == []
    assert grown({"STORE": [("1,000", row(900.0, 700.0, 100.0)), ("100,000", row(300.0))]}) != []
