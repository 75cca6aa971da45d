"""Sequence sets (RFC 9051 §9, ``sequence-set``): sorted, disjoint, closed ranges of 1..2^32-1."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import msgspec

STAR = 0xFFFF_FFFF
"""``*`` as it is parsed: the largest number in use. (4294967295 itself is never a UID here.)"""


class SequenceSet(msgspec.Struct, frozen=True):
    """Ranges sorted, disjoint, not adjacent: ``((1, 3), (7, 7))`` is ``1:3,7``. ``star`` tells that ``*`` was named."""

    ranges: tuple[tuple[int, int], ...]
    star: bool = False
    saved: bool = False
    """``$``: what the last search saved stands here instead of ranges (RFC 5182)."""

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> SequenceSet:
        """Normalise: ``5:1`` is ``1:5``; overlapping and adjacent ranges are joined (a bomb of them costs one sort)."""
        joined: list[tuple[int, int]] = []
        star = False
        for low, high in sorted((min(pair), max(pair)) for pair in ranges):
            star = star or high == STAR
            if joined and low <= joined[-1][1] + 1:
                if high > joined[-1][1]:
                    joined[-1] = (joined[-1][0], high)
            else:
                joined.append((low, high))
        return cls(ranges=tuple(joined), star=star)

    @classmethod
    def of_numbers(cls, numbers: Iterable[int]) -> SequenceSet:
        return cls.of((number, number) for number in numbers)

    def resolved(self, largest: int) -> SequenceSet:
        """``*`` replaced by ``largest``; by RFC 9051 §9 ``*:4`` and ``7:*`` name the last message even beyond it."""
        if not self.star:
            return self
        return SequenceSet.of(
            (largest if low == STAR else low, largest if high == STAR else high) for low, high in self.ranges
        )

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.ranges, (number, STAR)) - 1
        return index >= 0 and self.ranges[index][0] <= number <= self.ranges[index][1]

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def select(self, ordered: Sequence[int]) -> list[int]:
        """The members of ``ordered`` (ascending) that lie in the set; cost bound by the ranges and the result."""
        found: list[int] = []
        at = 0
        for low, high in self.ranges:
            at = bisect_left(ordered, low, at)
            if low < high:
                end = bisect_right(ordered, high, at)
                found += ordered[at:end]
                at = end
            elif at < len(ordered) and ordered[at] == low:
                found.append(low)
        return found

    def __bytes__(self) -> bytes:
        return b",".join(
            b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in self.ranges
        )


SAVED = SequenceSet(ranges=(), saved=True)
