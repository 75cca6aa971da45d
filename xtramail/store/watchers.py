"""Who wants to hear that a scope changed.

Owns the table of watchers and their waking. A hint says "look" and nothing else: it may come too often, never too late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

Callback = Callable[[], None]


class Watchers:
    """Used in the reader's thread only."""

    def __init__(self) -> None:
        self._by_scope: dict[bytes, dict[int, Callback]] = {}
        self._next = 0

    def add(self, scope: bytes, callback: Callback) -> Callback:
        """Returns the un-watcher; calling that twice is harmless."""
        self._next += 1
        number = self._next
        self._by_scope.setdefault(scope, {})[number] = callback

        def remove() -> None:
            watching = self._by_scope.get(scope)
            if watching is not None:
                watching.pop(number, None)
                if not watching:
                    self._by_scope.pop(scope, None)

        return remove

    def wake(self, scopes: Iterable[bytes]) -> None:
        """Call every watcher of ``scopes`` once.

        All are called even when one raises; then the first error is raised.
        """
        # Snapshots of both levels: a watcher may un-watch itself or others, or begin to watch.
        by_scope = self._by_scope
        called = [(scope, number) for scope in dict.fromkeys(scopes) for number in by_scope.get(scope, ())]
        if called:
            run_all([partial(self._call, scope, number) for scope, number in called])

    def wake_all(self) -> None:
        self.wake(list(self._by_scope))

    def _call(self, scope: bytes, number: int) -> None:
        callback = self._by_scope.get(scope, {}).get(number)
        if callback is not None:
            callback()


def run_all(calls: Iterable[Callback]) -> None:
    """Make every call, whatever the others raise; the first error is raised at the end.

    One reader's bug must not keep the others from hearing that their mail is durable.
    """
    first: Exception | None = None
    for call in calls:
        try:
            call()
        except Exception as error:
            first = first or error
    if first is not None:
        raise first
