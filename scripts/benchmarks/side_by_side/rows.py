"""Figures: a row of samples, rows of several servers as a table for a terminal, as JSON and back.

Owns no measuring and no judgement: what a figure should be is `goals`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OURS = "xtramail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round of a row: what a unit cost the server, processor microseconds if not said otherwise; units a second."""

    cost: float
    rate: float


@dataclass(slots=True, kw_only=True)
class Row:
    """One line of the table; ``unit`` says what cost and rate are counted by."""

    name: str
    unit: str
    samples: list[Sample] = field(default_factory=list)
    smallest: str = ""
    """At the largest of several sizes: the row of the same work at the smallest one."""

    @property
    def cost(self) -> float:
        return statistics.median(sample.cost for sample in self.samples)

    @property
    def rate(self) -> float:
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def spread(self) -> float:
        """Of the cost, from least to most, as a share of the median."""
        costs = [sample.cost for sample in self.samples]
        return (max(costs) - min(costs)) / self.cost if self.cost else 0.0


Results = dict[str, dict[str, Row]]
"""By server, then by the row's name; the first server's order of rows is the table's."""


def names(results: Results) -> list[str]:
    """Of all rows, each once, in the order in which they were measured."""
    return list(dict.fromkeys(name for rows in results.values() for name in rows))


def ratio(results: Results, server: str, name: str) -> float | None:
    """What ``server`` costs for what costs us 1; None where one of both has no such row."""
    ours, theirs = results.get(OURS, {}).get(name), results.get(server, {}).get(name)
    return theirs.cost / ours.cost if ours and theirs and ours.cost else None


def others(results: Results) -> list[str]:
    """The servers beside ours; none where ours was not measured."""
    return [server for server in results if server != OURS] if OURS in results else []


def show(results: Results) -> None:
    """Print the table."""
    beside = others(results)
    table = Table("work", "unit", box=None, pad_edge=False)
    for server in results:
        table.add_column(f"{server}, us", justify="right")
        table.add_column("±", justify="right")
        table.add_column("a second", justify="right")
    for server in beside:
        table.add_column(f"{server.split()[-1]} : ours", justify="right")
    for name in names(results):
        found = [rows[name] for rows in results.values() if name in rows]
        cells = [found[0].name, found[0].unit]
        for rows in results.values():
            row = rows.get(name)
            if row is None:
                cells += ["", "", ""]
            else:
                cells += [short(row.cost), f"{row.spread * 50:.0f} %", short(row.rate) if row.rate else ""]
        for server in beside:
            found_ratio = ratio(results, server, name)
            cells.append("" if found_ratio is None else f"{found_ratio:.1f}")
        table.add_row(*cells)
    Console(width=max(100, 40 + 34 * len(results) + 16 * len(beside))).print(table)


def short(number: float) -> str:
    """With three digits where it has them."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def machine() -> dict[str, Any]:
    """What it was measured on."""
    found = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": found[0].partition(":")[2].strip() if found else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def save(file: Path, results: Results, about: Mapping[str, Any]) -> None:
    """Write ``results`` as JSON; ``about`` stands beside them."""
    figures = {
        "machine": machine(),
        **about,
        "rows": {
            server: {
                name: {
                    "unit": row.unit,
                    "cost_us": row.cost,
                    "rate": row.rate,
                    **({"smallest": row.smallest} if row.smallest else {}),
                    "samples": [[sample.cost, sample.rate] for sample in row.samples],
                }
                for name, row in rows.items()
            }
            for server, rows in results.items()
        },
    }
    file.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def parse(figures: Mapping[str, Any]) -> Results:
    """What :func:`save` wrote, back from its JSON value."""
    return {
        server: {
            name: Row(
                name=name,
                unit=row["unit"],
                samples=[Sample(cost=cost, rate=rate) for cost, rate in row["samples"]],
                smallest=row.get("smallest", ""),
            )
            for name, row in rows.items()
        }
        for server, rows in figures["rows"].items()
    }
