"""Gathers what one turn of a connection writes, so that it leaves in few pieces: one TLS record, one segment."""

from __future__ import annotations

from collections.abc import Callable

_ENOUGH = 32 * 1024


class Outbox:
    """In order; nothing is lost but what comes after :meth:`close`."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._pieces: list[bytes] = []
        self._size = 0
        self._closed = False
        self.gathering = False
        """While it is set, small pieces wait for :meth:`flush`."""

    def put(self, octets: bytes) -> None:
        if not octets or self._closed:
            return
        self._pieces.append(octets)
        self._size += len(octets)
        if not self.gathering or self._size >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        if self._pieces:
            octets = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._send(octets)

    def close(self) -> None:
        """What was not sent yet is dropped: flush before, where it matters."""
        self._closed = True
        self._pieces.clear()
