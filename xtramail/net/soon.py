"""One call when the reactor is free again, however often it was asked for until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Soon:
    """Calls ``come()`` from the reactor, never from within :meth:`ask`."""

    __slots__ = ("_call", "_come", "_reactor", "asked")

    def __init__(self, reactor: Any, come: Callable[[], None]) -> None:
        """``reactor`` tells time (IReactorTime; zope interfaces are no types)."""
        self._reactor = reactor
        self._come = come
        self._call: Any = None
        self.asked = False
        """The call is still to come."""

    def ask(self) -> None:
        if not self.asked:
            self.asked = True
            self._call = self._reactor.callLater(0, self._ring)

    def stop(self) -> None:
        """Leaves no timer behind; may be asked again."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self.asked = False

    def _ring(self) -> None:
        self._call = None
        self.asked = False
        self._come()
