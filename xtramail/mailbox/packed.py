"""One header field of many messages as one run of octets, so that a needle is sought in all of them at once.

Owns the form: for each message the values of its fields, a line feed before each, and nothing where it has no such
field. Does not own which messages these are (``run``).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from stringzilla import find

from xtramail.store.engine import Octets
from xtramail.store.search_texts import USUAL, bounds

_FIELD = re.compile(rb"\n(%b)[ \t]*:[ \t]*+([^\n]*)" % "|".join(USUAL).encode("ascii")).findall
_NAMES = tuple(name.encode("ascii") for name in USUAL)

Values = tuple[bytes, ...]
"""Of one message, a text for each of ``search_texts.USUAL``."""

NOTHING: Values = (b"",) * len(USUAL)


def values_of(first: Octets) -> Values:
    """Out of the first row of a body's text."""
    found = dict.fromkeys(_NAMES, b"")
    where = bounds(first)
    for name, value in _FIELD(bytes(first[where.header_at : where.usual_end])):
        found[name] += b"\n" + value
    return tuple(found.values())


class PackedField:
    """One field of messages that are counted from 0."""

    __slots__ = ("_octets", "_starts")

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._octets = b"".join(texts)
        self._starts = array("I", accumulate(map(len, texts), initial=0))

    @property
    def octets(self) -> int:
        """What it takes in memory."""
        return len(self._octets) + 4 * len(self._starts)

    def joined(self, later: PackedField) -> PackedField:
        """This, and the messages of ``later`` behind."""
        return PackedField([*self._texts(), *later._texts()])

    def holding(self, needle: bytes) -> list[int]:
        """Numbers of the messages in whose field the needle is, ascending; an empty one is in every field."""
        octets, starts = self._octets, self._starts
        if not needle:
            return [number for number in range(len(starts) - 1) if starts[number] != starts[number + 1]]
        if b"\n" in needle:
            # No value has one: it was unfolded.
            return []
        found: list[int] = []
        at = find(octets, needle)
        while at >= 0:
            # Of messages that begin at one place the last one is not empty.
            number = bisect_right(starts, at)
            found.append(number - 1)
            at = find(octets, needle, starts[number])
        return found

    def _texts(self) -> list[bytes]:
        return [self._octets[start:end] for start, end in pairwise(self._starts)]


def pack(values: Sequence[Values]) -> dict[str, PackedField]:
    """By name of the field, of messages in this order."""
    return {name: PackedField([of_one[index] for of_one in values]) for index, name in enumerate(USUAL)}
