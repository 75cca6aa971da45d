"""Whether a connection's transport is read: who sends faster than we take it is left to wait in its own buffers."""

from __future__ import annotations

from functools import partial
from typing import Any

from xtramail.net.limits import Ticket


class Reading:
    """One connection's. The transports given are its own (IPushProducer)."""

    __slots__ = ("_barred", "_paused")

    def __init__(self) -> None:
        self._paused = False
        self._barred = False

    def shake_in_turn(self, transport: Any, ticket: Ticket) -> None:
        """Stop, whatever the pace, until ``ticket`` may have its TLS handshake, where that is not now."""
        if not ticket.may_shake(partial(self._unbar, transport)):
            self.pace(transport, too_much=True)
            self._barred = True

    def _unbar(self, transport: Any) -> None:
        self._barred = False
        self.resume(transport)

    def pace(self, transport: Any, *, too_much: bool) -> None:
        """Stop while there is ``too_much`` that nobody takes; go on after it."""
        if too_much and not self._paused:
            self._paused = True
            transport.pauseProducing()
        elif not too_much:
            self.resume(transport)

    def resume(self, transport: Any) -> None:
        """Also before closing: a transport that does not read does not notice that the peer is gone."""
        if self._paused and not self._barred:
            self._paused = False
            transport.resumeProducing()
