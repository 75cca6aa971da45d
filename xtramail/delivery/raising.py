"""How parts of the server raise an alert where its cause has no commit of its own.

A step of a primary, or mail that is held, has one, and its alert is written in it (``store.alerts.raised``). A full
store, a certificate that was refused or a clock that jumped has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from xtramail.model.clock import Clock
from xtramail.model.pending import Pending
from xtramail.store import alerts
from xtramail.store.engine import Engine
from xtramail.telemetry import maillog


class Say(Protocol):
    def __call__(self, kind: str, domain: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        """Raise an alert; ``domain`` empty: it concerns the server. Never fails."""


def say_nothing(kind: str, domain: str, text: str, fields: Mapping[str, str] | None = None) -> None:
    """For who has nobody to tell."""


class Saying:
    """``say`` writes an alert down; when the store cannot take it, the log alone has it."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def say(self, kind: str, domain: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        """``Say``."""
        written = self._engine.transact(*alerts.raised(kind, domain, text, fields or {}, self._clock.now()))

        def lost(done: Pending[int]) -> None:
            try:
                done.result()
            except Exception as error:
                maillog.alarm(kind=kind, text=f"{text} (told to nobody: {type(error).__name__})")

        written.when_done(lost)
