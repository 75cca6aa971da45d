"""What was found, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "info", "warn", "error"]
LEVELS: tuple[Level, ...] = ("ok", "info", "warn", "error")
"""Ascending. ``info``: worth knowing, and perhaps as it should be. ``error``: mail is late, refused or lost by it."""


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    check: str
    """What was looked at, in one word."""
    what: str
    remedy: str = ""
    """One line; empty when there is nothing to do."""


def worst(findings: Iterable[Finding]) -> Level:
    return max((one.level for one in findings), key=LEVELS.index, default="ok")
