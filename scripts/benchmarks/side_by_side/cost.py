"""What a server costs: processor time and memory of a process and all its descendants, from /proc."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def family(root: int) -> dict[int, list[str]]:
    """Fields of /proc/PID/stat from the state on, of ``root`` and every descendant."""
    stats: dict[int, list[str]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = Path(entry.path, "stat").read_text("utf-8", "replace")
                stats[int(entry.name)] = text[text.rindex(")") + 2 :].split()
    found, wanted = {}, {root}
    while wanted:
        found.update({pid: stats[pid] for pid in wanted if pid in stats})
        wanted = {pid for pid, fields in stats.items() if int(fields[1]) in wanted and pid not in found}
    return found


def processor_seconds(root: int) -> float:
    """User and system time of the family, of children that have ended too.

    The living are read from their processor clocks, in nanoseconds, because a tick of /proc/PID/stat is 10 ms.
    """
    total = 0.0
    for pid, fields in family(root).items():
        with contextlib.suppress(OSError):
            total += time.clock_gettime((~pid << 3) | 2)
        total += (int(fields[13]) + int(fields[14])) / _TICK
    return total


def memory(root: int) -> int:
    """Octets of the family, pages that are shared counted by share (PSS)."""
    total = 0
    for pid in family(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
