"""The start of a server: what it takes until the first clients of IMAP and SMTP are greeted, by how much it keeps."""

from __future__ import annotations

import contextlib
import socket
import time

from ..client import Client, Unexpected
from ..cost import memory, processor_seconds
from ..mail_servers import MailServer
from ..rows import Row, Sample

PROCESSOR, ELAPSED, MEMORY = "start, processor time", "start, until the first greeting", "memory after the start"
BY_DISK = (ELAPSED,)
"""What waits for the disk, and for whoever else uses the machine: no measure of growth."""
_WITHIN = 60.0


def starts(server: MailServer, rounds: int) -> dict[str, Row]:
    """Start the server, which does not run, ``rounds`` times; it does not run afterwards.

    And once before: what is made at the first start ever, and its programs from the disk, are not counted.
    """
    rows = {
        name: Row(name=name, unit=unit)
        for name, unit in ((PROCESSOR, "start"), (ELAPSED, "elapsed"), (MEMORY, "KiB"))
    }
    for counted in [False] + rounds * [True]:
        began = time.perf_counter()
        server.begin()
        _greeted(server)
        took, spent = time.perf_counter() - began, processor_seconds(*server.roots)
        costs = {ELAPSED: took * 1e6, PROCESSOR: spent * 1e6, MEMORY: memory(*server.roots) / 1024}
        if counted:
            for name, cost in costs.items():
                rows[name].samples.append(Sample(cost=cost, rate=0.0))
        server.stop()
    return rows


def _greeted(server: MailServer) -> None:
    """By both: whose mail nobody can read, or who shows none that comes, has not started."""
    deadline = time.perf_counter() + _WITHIN
    while time.perf_counter() < deadline:
        with contextlib.suppress(OSError, Unexpected):
            with socket.create_connection(("127.0.0.1", server.port), timeout=_WITHIN) as connection:
                if not connection.recv(512).startswith(b"220"):
                    raise Unexpected("SMTP greets with something else than 220")
            Client(server.imap, server.context).close()
            return
        time.sleep(0.005)
    raise RuntimeError(f"{server.name}: nobody is greeted {_WITHIN:.0f} s after the start")
