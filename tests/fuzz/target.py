"""What can be fuzzed: a name, valid inputs to change, words to put in, and a play that raises where a promise breaks.

Owns the shape of a target and the finding; how inputs are changed is ``mutate``'s, what is measured ``judge``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

Play = Callable[[bytes, Random], Iterator[object]]
"""Gives up control behind each call into the product, so that calls are timed one by one; chance cuts the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    name: str
    play: Play
    seeds: tuple[bytes, ...]
    """Valid inputs: dialogues, messages, files."""
    words: tuple[bytes, ...] = ()
    """Tokens of the grammar."""
    runs: int = 300
    """Inputs in the test suite."""
    pumped: int = 64 * 1024
    """Octets to which a piece is repeated, in search of work that grows faster than its input."""
    timed: bool = True
    """Whether calls must end within ``judge.MOST_CPU``: False where a thread of its own does the work."""


class Finding(AssertionError):
    """A promise broken. ``octets`` and ``seed`` bring it back."""

    def __init__(self, target: Target, octets: bytes, seed: int, text: str) -> None:
        super().__init__(f"{target.name}, seed {seed}: {text}\ninput: {octets[:2000]!r}")
        self.octets = octets
        self.seed = seed
        self.text = text


def pieces(octets: bytes, rng: Random) -> Iterator[bytes]:
    """Cut as a network may cut it: whole, in few pieces, line by line, or octet by octet where it is short."""
    way = rng.randrange(4)
    if way == 0:
        yield octets
    elif way == 1:
        yield from octets.splitlines(keepends=True)
    elif way == 2 and len(octets) <= 600:
        yield from (octets[at : at + 1] for at in range(len(octets)))
    else:
        at = 0
        while at < len(octets):
            step = rng.choice((1, 2, 3, 17, 100, 1000, 70_000))
            yield octets[at : at + step]
            at += step
