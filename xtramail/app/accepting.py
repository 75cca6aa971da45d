"""Says that no more clients are taken, for want of descriptors, and that they are again: sparingly, for it may flap."""

from __future__ import annotations

from typing import Any

from xtramail.delivery.raising import Say
from xtramail.net.descriptors import DescriptorReserve
from xtramail.net.sparse import Sparse
from xtramail.telemetry import maillog

_DAY = 86_400.0


class Accepting:
    """``say`` is set once there is somebody to tell."""

    def __init__(self, reactor: Any) -> None:
        self.reserve = DescriptorReserve(reactor, paused=self._paused, resumed=self._resumed)
        self.say: Say | None = None
        self._lines, self._alerts = Sparse(), Sparse(every=_DAY)
        self._told = False

    def _paused(self, limit: int) -> None:
        if self._lines.due("paused") is not None:
            self._told = True
            maillog.accepting_paused(limit=limit)
        if self.say is not None and self._alerts.due("paused") is not None:
            text = (
                f"{limit} descriptors are in use, nine tenths of what this process may have: new connections wait. "
                "Raise LimitNOFILE= of the unit, or lower limits.connections"
            )
            self.say("descriptors", "", text, {"limit": str(limit)})

    def _resumed(self) -> None:
        if self._told:
            self._told = False
            maillog.accepting_resumed()
