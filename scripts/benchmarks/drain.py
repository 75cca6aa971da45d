"""scripts/bench drain: an outage's mail given back in one go by the real server, and what that takes.

Takes so many messages while a domain is held, releases it, and times how long it takes until a primary on loopback has
them all. Memory is the server's own (anonymous) and all of it with the pages of the store that it looked at, which the
kernel takes back when it wants them. Everything is in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.journeys.give_back import USERS, drained, held  # noqa: E402
from tests.journeys.harness import Installation  # noqa: E402
from tests.journeys.scripted_primary import ScriptedPrimary  # noqa: E402

DOMAIN = "example.test"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench drain", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=12_000, help="mean octets of a message")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    chosen = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder, ScriptedPrimary(keep_octets=False) as primary:
        server = Installation(Path(folder) / "server", forked=False).init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for number in range(USERS):
            server.add_user(f"user{number}@{DOMAIN}")
        server.start()
        try:
            held(server, DOMAIN, USERS, chosen.size)
            drained(server, primary, DOMAIN, USERS)
            began = time.monotonic()
            held(server, DOMAIN, chosen.messages, chosen.size)
            took = time.monotonic() - began
            print(f"taken in: {chosen.messages} messages in {took:.1f} s, {chosen.messages / took:.0f} a second")
            found = drained(
                server, primary, DOMAIN, USERS + chosen.messages, within=3_600.0, progress=_progress(chosen.messages)
            )
            balance = server.balance()
        finally:
            server.close()
    figures = {
        "messages": chosen.messages,
        "mean octets": chosen.size,
        "seconds": round(found.seconds, 2),
        "a second": round(chosen.messages / found.seconds),
        "processor us each": round(found.processor / chosen.messages * 1e6),
        "own memory before, MiB": round(found.before.own / (1 << 20), 1),
        "own memory at most, MiB": round(found.peak.own / (1 << 20), 1),
        "grown by, MiB": round(found.growth / (1 << 20), 1),
        "with the store's pages at most, MiB": round(found.peak.all / (1 << 20), 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "ledger": balance,
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n")


def _progress(count: int) -> Callable[[int], None]:
    told = time.monotonic()

    def tell(have: int) -> None:
        nonlocal told
        if sys.stderr.isatty() and time.monotonic() - told > 1:
            told = time.monotonic()
            print(f"\r{have - USERS} of {count}", end="", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
