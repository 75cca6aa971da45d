"""What a server costs: processor time and memory of its processes with all their descendants, from /proc; disk.

Children that ended are counted by those who waited for them, as Postfix's and Dovecot's masters do for all of theirs:
the kernel adds their time, and that of whom they had waited for, to the parent's.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_TRIES = 20
_SECTOR = 512
"""Of /sys/dev/block, whatever the disk has."""


def family(*roots: int) -> dict[int, list[str]]:
    """Fields of /proc/PID/stat from the state on, of the ``roots`` and every descendant."""
    stats: dict[int, list[str]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = Path(entry.path, "stat").read_text("utf-8", "replace")
                stats[int(entry.name)] = text[text.rindex(")") + 2 :].split()
    found, wanted = {}, set(roots)
    while wanted:
        found.update({pid: stats[pid] for pid in wanted if pid in stats})
        wanted = {pid for pid, fields in stats.items() if int(fields[1]) in wanted and pid not in found}
    return found


def processor_seconds(*roots: int) -> float:
    """User and system time of the families, of children that have ended too.

    The living are read from their processor clocks, in nanoseconds, because a tick of /proc/PID/stat is 10 ms. Who ends
    between two looks would be counted twice or not at all: it is read again until nobody came or went.
    """
    total, before = 0.0, family(*roots)
    for _ in range(_TRIES):
        total = sum(_own_seconds(pid) + (int(fields[13]) + int(fields[14])) / _TICK for pid, fields in before.items())
        after = family(*roots)
        if after.keys() == before.keys():
            break
        before = after
    return total


def _own_seconds(pid: int) -> float:
    try:
        # The clock of another process, as clock_getcpuclockid(3) makes its number.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def memory(*roots: int) -> int:
    """Octets of the families, pages that are shared counted by share (PSS)."""
    total = 0
    for pid in family(*roots):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def disk_written(folder: Path) -> int | None:
    """Octets that the disk below ``folder`` was given so far, by whoever; None where no disk of its own is below it.

    What the kernel charges a process for is more: it counts a whole folio, sixteen pages and more, where one of its
    pages was changed, and not the file system's own journal.
    """
    device = folder.stat().st_dev
    try:
        fields = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text("ascii").split()
    except OSError:
        return None
    return int(fields[6]) * _SECTOR


def disk(folder: Path) -> int:
    """Octets that the files below ``folder`` take on the disk, their last blocks whole."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_blocks * 512
    return total
