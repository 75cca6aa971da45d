"""How long work on many messages goes at, so that other connections have their turn, and when it is given up.

Owns the clock of SEARCH, SORT and THREAD, and how far they have come. What is done between two looks at it is theirs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

from xtramail.mailbox.services import MailboxServices
from xtramail.model.errors import LimitReached

T = TypeVar("T")


class Turns:
    """Begins when it is made. ``if turns.over(): yield; turns.begin()``, or :meth:`pause` in short."""

    __slots__ = ("_began", "_clock", "_done_before", "_limits", "_passes", "_turn_began", "done", "goal")

    def __init__(self, services: MailboxServices, passes: int = 1) -> None:
        """``passes``: how many times the messages are gone through in all."""
        self._passes = passes
        self._done_before = 0
        self.done = 0
        """Messages gone through so far, in all passes together; never less than it was."""
        self.goal = 0
        """As many as will have been at the end; 0 until :meth:`expect`."""
        self._clock = services.clock
        self._limits = services.limits
        self._began = self._turn_began = self._clock.monotonic()

    def expect(self, messages: int) -> None:
        """The first pass begins; each goes through so many, or is counted as if it did."""
        self.goal = messages * self._passes

    def came_to(self, part: int, whole: int) -> None:
        """Of the pass under way, ``part`` of ``whole`` is done."""
        self.done = self._done_before + (self.goal * part // (self._passes * whole) if whole else 0)

    def next_pass(self) -> None:
        self._done_before = self.done = self._done_before + self.goal // self._passes

    def begin(self) -> None:
        self._turn_began = self._clock.monotonic()

    def over(self) -> bool:
        """Whether others want to go on now; LimitReached when all turns together took too long."""
        now = self._clock.monotonic()
        if now - self._began > self._limits.search_seconds:
            raise LimitReached("The search takes too long; narrow it by date or sender")
        return now - self._turn_began >= self._limits.slice_seconds

    def pause(self) -> Iterator[None]:
        """Let the others go on if it is time."""
        if self.over():
            yield
            self.begin()

    def paced(self, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        """``steps``, whose every yield is a place where it may pause; gives their result."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            if self.over():
                yield
                self.begin()
