"""A cost that grows faster than its work is told."""

from __future__ import annotations

from scripts.benchmarks.side_by_side.at_scale.growth import grown, growth, largest
from scripts.benchmarks.side_by_side.rows import Row, Sample


def rows(**costs: list[float]) -> dict[str, Row]:
    """STORE with so many messages; the first is the smallest size, which the last is held against."""
    found = [
        Row(name=f"STORE, {size[1:]} messages", unit="command", samples=[Sample(cost=cost, rate=1.0) for cost in each])
        for size, each in costs.items()
    ]
    found[-1].smallest = found[0].name
    return {row.name: row for row in found}


def test_a_cost_that_stays_is_not_told() -> None:
    assert grown(rows(_1=[100.0], _10=[150.0], _100=[199.0])) == []


def test_a_cost_that_more_than_doubles_is_told_with_both_sizes() -> None:
    told = grown(rows(_1=[100.0], _10=[150.0], _100=[201.0]))
    assert told == ["STORE: 100 with 1 messages, 201 with 100 messages"]


def test_the_best_round_of_each_size_counts() -> None:
    # Somebody else used the machine in two rounds of three.
    assert grown(rows(_1=[100.0], _100=[900.0, 700.0, 120.0])) == []
    assert grown(rows(_1=[900.0, 700.0, 100.0], _100=[300.0])) != []


def test_the_largest_size_is_held_against_the_smallest_and_each_knows_the_other() -> None:
    found = rows(_1=[100.0], _10=[170.0], _100=[150.0])
    grew = growth(found, "STORE, 100 messages")
    assert grew is not None
    assert (grew.times, grew.smallest) == (1.5, "1 messages")
    assert growth(found, "STORE, 1 messages") is None and growth(found, "STORE, 10 messages") is None
    assert largest(found, "STORE, 1 messages") == "100 messages"
    assert largest(found, "STORE, 10 messages") == ""
