"""Sorting in short runs, so that a hundred thousand messages are not ordered in one go."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

_RUN = 2048
"""Items sorted, or merged, between two yields: about two milliseconds."""


def run_sort(
    items: Sequence[T], key: Callable[[T], Any], *, descending: bool = False
) -> Generator[None, None, list[T]]:
    """``items`` by ``key``, stable in both directions; each yield is a place to pause."""
    runs: list[list[T]] = []
    for start in range(0, len(items), _RUN):
        runs.append(sorted(items[start : start + _RUN], key=key, reverse=descending))
        yield
    if len(runs) == 1:
        return runs[0]
    result: list[T] = []
    merging = iter(merge(*runs, key=key, reverse=descending))
    while piece := list(islice(merging, _RUN)):
        result += piece
        yield
    return result
