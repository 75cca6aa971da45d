"""Whether the clock may be trusted with what cannot be taken back: the clock rule's answer at this moment.

Looks and keeps nothing: the state is kept by ``retention``, the rule is ``clock_rule``'s.
"""

from __future__ import annotations

from xtramail.delivery.clock_rule import Look, after_look
from xtramail.delivery.retention import read_state
from xtramail.model.clock import Clock
from xtramail.store import keys
from xtramail.store.engine import Engine


def doubt(engine: Engine, clock: Clock, run: str) -> str:
    """Why the clock is not believed now; empty when it is. ``run`` names this run of the server, as ``retention``'s."""
    look = Look(wall=clock.now(), monotonic=clock.monotonic(), run=run)
    return after_look(engine.read(keys.STORE, read_state), look).paused
