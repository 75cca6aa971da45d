"""Tells systemd how far we are (sd_notify(3)): ready, reloading, stopping; and, again and again, that we are alive.

Says nothing where nobody listens. The sign of life is given in the reactor's thread: when that hangs, say in a damaged
tree of the store, it stays out, and systemd starts the server again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from twisted.internet.task import LoopingCall

_PARTS = 4
"""Signs of life in the time after which systemd ends us: three may be late."""


class Notifier:
    """Speaks to the socket named by ``NOTIFY_SOCKET``; an abstract one begins with ``@``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.patience = watchdog_seconds(environ) if address else 0.0
        """Seconds without a sign of life after which systemd ends us; 0 when it waits for none."""
        self._alive: LoopingCall | None = None

    def tell(self, *lines: str) -> None:
        """Such as ``READY=1``. A supervisor that does not listen is no reason to fail."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                # One that has stopped reading must not stop the server, too.
                channel.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            return

    def live(self, reactor: Any) -> None:
        """Give signs of life from now on, as long as the reactor turns, to the end of the process."""
        if not self.patience:
            return
        self._alive = LoopingCall(self.tell, "WATCHDOG=1")
        self._alive.clock = reactor
        self._alive.start(self.patience / _PARTS)


def watchdog_seconds(environ: Mapping[str, str]) -> float:
    """What sd_watchdog_enabled(3) says: ``WATCHDOG_USEC``, where it is meant for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return max(int(environ.get("WATCHDOG_USEC", "0")), 0) / 1_000_000
    except ValueError:
        return 0.0
