"""The judgement of rows that were measured at several sizes: none may grow faster than the work that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..rows import Row, short

MOST = 2.0
"""Times what a unit of work may cost at the largest size, of what it costs at the smallest."""
Sizes = Sequence[tuple[str, Row]]
"""What the size is called, and the row there; the smallest first."""


def grown(work: Mapping[str, Sizes], most: float = MOST) -> list[str]:
    """A sentence for each kind of work whose unit costs over ``most`` times as much at the largest size.

    Of each row the best round is taken: others who use the machine only ever add to a cost.
    """
    told: list[str] = []
    for name, rows in work.items():
        (small, first), (large, last) = rows[0], rows[-1]
        before, after = _best(first), _best(last)
        if after > most * before:
            told.append(f"{name}: {short(before)} with {small}, {short(after)} with {large}")
    return told


def _best(row: Row) -> float:
    return min(sample.cost for sample in row.samples)
