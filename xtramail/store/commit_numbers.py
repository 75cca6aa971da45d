"""Tells a stranger's commits from ours by their numbers.

LMDB numbers commits without gaps. Owns the comparison of the newest number with those we gave out; reads no database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class CommitNumbers:
    """``begin`` and ``end`` belong to the writing thread, ``stranger_wrote`` to the reader's."""

    def __init__(self, newest: int) -> None:
        self._lock = threading.Lock()
        self._known = newest
        """The last commit that is accounted for."""
        self._under_way = 0
        self._stranger = False

    def begin(self, number: int) -> None:
        """Our write transaction, which got ``number``, has the write lock now."""
        with self._lock:
            if number - 1 != self._known:
                self._stranger = True
                self._known = number - 1
            self._under_way = number

    def end(self, *, wrote: bool) -> None:
        """It is over. LMDB takes a number back when the transaction failed or changed nothing."""
        with self._lock:
            if wrote:
                self._known = self._under_way
            self._under_way = 0

    def strange(self, newest: Callable[[], int]) -> bool:
        """As :meth:`stranger_wrote`, and leaves it at that."""
        with self._lock:
            return self._stranger or newest() not in (self._known, self._under_way)

    def stranger_wrote(self, newest: Callable[[], int]) -> bool:
        """Whether anybody else has committed since the last call; ``newest()`` is the last number now."""
        with self._lock:
            last = newest()
            strange = self._stranger or last not in (self._known, self._under_way)
            self._stranger = False
            if last != self._under_way:
                self._known = last
        return strange
