"""What a long run is at, for who waits: a line for each step, with the time since the beginning."""

from __future__ import annotations

import time


class Progress:
    """Prints; measures nothing."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        minutes, seconds = divmod(int(self.seconds), 60)
        print(f"  {minutes:2}:{seconds:02} {text}", flush=True)
