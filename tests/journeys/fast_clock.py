"""A clock that runs thousands of times as fast, for a server's process: weeks pass in minutes.

libfaketime answers every question for the time, wall and monotonic, and shortens every wait by the same factor; so
timers, expiry, retries and the clock rule are the server's own, on time as they know it. What measures *work*
(``perf_counter``, ``thread_time``, the sleep of the thread that watches turns) goes by the machine's own time, or each
turn would look as if it took minutes. Clients and primaries live on the machine's time: the server's patience with them
is set in its settings.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

DAY = 86_400.0
LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_OWN_TIME = """\
import time

_counter, _worked, _sleep = time.perf_counter, time.thread_time, time.sleep
time.perf_counter = lambda: _counter() / {factor}
time.thread_time = lambda: _worked() / {factor}
time.sleep = lambda seconds: _sleep(seconds * {factor})
"""


def faketime() -> str:
    """Path of the library; AssertionError without it."""
    found = [path for folder in LIBRARIES for path in Path(folder).glob("**/faketime/libfaketime.so.1")]
    assert found, "libfaketime is missing: apt-get install faketime"
    return str(found[0])


class FastClock:
    """Shows the machine's time at first, and runs ``factor`` times as fast from then on."""

    def __init__(self, folder: Path, factor: int) -> None:
        """``folder`` (made here) has what the process's interpreter reads at its start."""
        self.factor = factor
        self._began, self._steady = time.time(), time.monotonic()
        self._folder = folder
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_OWN_TIME.format(factor=factor))

    def now(self) -> float:
        """Seconds since 1970, as the process sees it; it began a little later, which it never makes up for."""
        return self._began + (time.monotonic() - self._steady) * self.factor

    def days(self) -> float:
        """That have passed."""
        return (self.now() - self._began) / DAY

    def real(self, seconds: float) -> float:
        """How long that takes here."""
        return seconds / self.factor

    def environment(self) -> dict[str, str]:
        """Of a process that begins now."""
        return {
            "LD_PRELOAD": faketime(),
            "FAKETIME": f"@{self._shown()} x{self.factor}",
            "PYTHONPATH": os.pathsep.join([str(self._folder), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }

    def stopped(self) -> dict[str, str]:
        """Of a command that is done at once: the same time, at the machine's pace."""
        return {"LD_PRELOAD": faketime(), "FAKETIME": f"@{self._shown()} x1"}

    def _shown(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.now()))
