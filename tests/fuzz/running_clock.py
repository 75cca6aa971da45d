"""A reactor's clock that stands still for nobody who works: what gives others their turn must be able to tell."""

from __future__ import annotations

import time
from collections.abc import Iterator

from twisted.internet.task import Clock


class RunningClock(Clock):
    """As Clock, and the processor time of this process passes as well."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.process_time()

    def seconds(self) -> float:
        return float(self.rightNow) + time.process_time() - self._began

    def turns(self, most: int = 10_000) -> Iterator[None]:
        """What was put off until the reactor is free, one call after another."""
        for _ in range(most):
            due = sorted(self.getDelayedCalls(), key=lambda call: call.getTime())
            if not due or due[0].getTime() > self.seconds():
                return
            put_off = due[0]
            self.calls.remove(put_off)
            put_off.called = 1
            put_off.func(*put_off.args, **put_off.kw)
            yield
