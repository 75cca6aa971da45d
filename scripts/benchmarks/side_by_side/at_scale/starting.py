"""The start of the server: what it takes until the first client is greeted, by how much the store holds."""

from __future__ import annotations

import contextlib
import os
import time

from ..client import Client, Unexpected
from ..cost import memory, processor_seconds
from ..rows import Row, Sample
from ..servers import Xtramail

PROCESSOR, ELAPSED, MEMORY = "start, processor time", "start, until the first greeting", "memory after the start"
BY_DISK = (ELAPSED,)
"""What waits for the disk, and for whoever else uses the machine: no measure of growth."""
_WITHIN = 60.0


def starts(server: Xtramail, rounds: int) -> dict[str, Row]:
    """Start the server, which does not run, ``rounds`` times; it does not run afterwards."""
    rows = {
        name: Row(name=name, unit=unit)
        for name, unit in ((PROCESSOR, "start"), (ELAPSED, "elapsed"), (MEMORY, "KiB"))
    }
    for _ in range(rounds):
        installation = server.installation
        began = time.perf_counter()
        with installation.log_file.open("ab") as log:
            installation.process = installation.spawn(log, os.environ)
        _greeted(server)
        took, spent = time.perf_counter() - began, processor_seconds(server.pid)
        rows[ELAPSED].samples.append(Sample(cost=took * 1e6, rate=0.0))
        rows[PROCESSOR].samples.append(Sample(cost=spent * 1e6, rate=0.0))
        rows[MEMORY].samples.append(Sample(cost=memory(server.pid) / 1024, rate=0.0))
        server.stop()
    return rows


def _greeted(server: Xtramail) -> None:
    deadline = time.perf_counter() + _WITHIN
    while time.perf_counter() < deadline:
        with contextlib.suppress(OSError, Unexpected):
            Client(server.port, server.context).close()
            return
        time.sleep(0.005)
    raise RuntimeError(f"nobody is greeted {_WITHIN:.0f} s after the start")
