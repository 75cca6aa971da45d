"""The judgement of rows that were measured at several sizes: none may grow faster than the work that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..rows import Row, short

MOST = 2.0
"""Times what a unit of work may cost at the largest size, of what it costs at the smallest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """``times`` what the same work costs at the size that ``smallest`` says.

    Of each row the best round is taken: others who use the machine only ever add to a cost.
    """

    times: float
    smallest: str

    @property
    def goal(self) -> str:
        return f"at most {MOST:g} times {self.smallest}"

    @property
    def text(self) -> str:
        return f"{self.times:.2f} times what it takes with {self.smallest}"


def growth(rows: Mapping[str, Row], name: str) -> Growth | None:
    """Of the row ``name`` of one server; None where it is not of the largest size."""
    last = rows[name]
    first = rows.get(last.smallest)
    if first is None or not _best(first):
        return None
    return Growth(times=_best(last) / _best(first), smallest=size_of(first.name))


def grown(rows: Mapping[str, Row]) -> list[str]:
    """A sentence for each kind of work of a server whose unit costs over MOST times as much at the largest size."""
    told: list[str] = []
    for name, row in rows.items():
        found = growth(rows, name)
        if found is not None and found.times > MOST:
            before, after = short(_best(rows[row.smallest])), short(_best(row))
            told.append(f"{work_of(name)}: {before} with {found.smallest}, {after} with {size_of(name)}")
    return told


def largest(rows: Mapping[str, Row], name: str) -> str:
    """The size at which the work of the row ``name`` is held against that row; empty where there is none."""
    return next((size_of(row.name) for row in rows.values() if row.smallest == name), "")


def work_of(name: str) -> str:
    """What a row is about, its size left out, which is what is behind the last comma and space."""
    return name.rpartition(", ")[0]


def size_of(name: str) -> str:
    return name.rpartition(", ")[2]


def _best(row: Row) -> float:
    return min(sample.cost for sample in row.samples)
