"""Tells systemd how far we are (sd_notify(3)): ready, reloading, stopping. Says nothing where nobody listens."""

from __future__ import annotations

import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the socket named by ``NOTIFY_SOCKET``; an abstract one begins with ``@``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, *lines: str) -> None:
        """Such as ``READY=1``. A supervisor that does not listen is no reason to fail."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return
