"""One call when the reactor is free again, however often it was asked for until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Soon:
    """Calls ``come()`` from the reactor, never from within :meth:`ask`."""

    __slots__ = ("_call", "_come", "_reactor")

    def __init__(self, reactor: Any, come: Callable[[], None]) -> None:
        """``reactor`` tells time (IReactorTime; zope interfaces are no types)."""
        self._reactor = reactor
        self._come = come
        self._call: Any = None

    @property
    def asked(self) -> bool:
        """The call is still to come."""
        return self._call is not None

    def ask(self) -> None:
        if self._call is None:
            self._call = self._reactor.callLater(0, self._ring)

    def stop(self) -> None:
        """Leaves no timer behind; may be asked again."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _ring(self) -> None:
        self._call = None
        self._come()
