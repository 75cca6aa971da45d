"""How many of their mailboxes' folders may be watched: Dovecot has an inotify instance for each session in IDLE.

Linux gives a user 128 of them, if nobody said otherwise. A session that gets none looks every half a minute instead,
which is another thing than what is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_SPARE = 128


@contextmanager
def watched(sessions: int, setting: Path = INSTANCES) -> Iterator[bool]:
    """Whether so many sessions of one user can be told of mail while the block runs.

    The limit is raised for it where it is too low and that may be done, and put back afterwards; both are said.
    """
    before = int(setting.read_text("ascii"))
    needed = sessions + _SPARE if sessions else 0
    if before >= needed:
        yield True
        return
    try:
        setting.write_text(f"{needed}\n", "ascii")
    except OSError as problem:
        print(f"scripts/bench: {setting} is {before}, and cannot be {needed}: {problem.strerror}", file=sys.stderr)
        yield False
        return
    print(f"  {setting} is {needed} instead of {before} for this", flush=True)
    try:
        yield True
    finally:
        setting.write_text(f"{before}\n", "ascii")
