"""Keeps the last tenth of this process's descriptors for what must go on: the store, logs, mail on its way out.

The kernel gives each new descriptor the lowest number that is free. So a connection whose number lies in the last tenth
says that all others are in use: then no more are accepted until a lower one is free. Who connects meanwhile waits in
the kernel's queue. Owns no limits of peers (``limits``) and no ports: it only tells them when to read. Whoever reads
files again can ask first whether that is possible (:func:`require_some`).
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 0.5


LEAST_KEPT = 32


def for_connections() -> int:
    """The number from which on descriptors are not for clients: 90 % of what this process may have, or all but 32."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(allowed * 9 // 10, allowed - LEAST_KEPT)


def require_some(count: int = 8) -> None:
    """OSError when so many files cannot be opened at once."""
    taken: list[int] = []
    try:
        for _ in range(count):
            taken.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for descriptor in taken:
            os.close(descriptor)


class DescriptorReserve:
    """``paused(limit)`` and ``resumed()`` are told when accepting stops and goes on."""

    def __init__(
        self,
        reactor: Any,
        *,
        paused: Callable[[int], None],
        resumed: Callable[[], None],
        limit: Callable[[], int] = for_connections,
    ) -> None:
        self._reactor = reactor
        self._paused = paused
        self._resumed = resumed
        self._limit = limit
        self._ports: list[Any] = []
        self._next: Any = None

    def keep(self, port: Any) -> None:
        """A listening port (``tcp.Port``) that is to stop reading when there are too few."""
        self._ports.append(port)

    def accepted(self, descriptor: int) -> None:
        """A client got this one."""
        if self._next is not None or descriptor < self._limit():
            return
        for port in self._ports:
            port.stopReading()
        self._next = self._reactor.callLater(LOOK_SECONDS, self._look)
        self._paused(self._limit())

    def stop(self) -> None:
        """The doors are closed."""
        self._ports.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        self._next = None
        if self._lowest_free() >= self._limit():
            self._next = self._reactor.callLater(LOOK_SECONDS, self._look)
            return
        for port in self._ports:
            if port.connected:
                port.startReading()
        self._resumed()

    def _lowest_free(self) -> int:
        try:
            number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return self._limit()
        os.close(number)
        return number
