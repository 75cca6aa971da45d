"""A process that upgrades a store by steps that were never taken, as ``xtramail store upgrade`` does by real ones.

``python upgraded.py HOME BACKUP``; ``XTRAMAIL_CRASH_AT`` says where it dies.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.app.installation import paths_in
from tests.store.pretended_formats import STEPS, TO
from xtramail.app.upgrade import Choice, Formats, upgrade_store
from xtramail.store.lmdb_engine import MAP_SIZE

FORMATS = Formats(to=TO, steps=STEPS)


def main(home: str, backup: str) -> None:
    upgrade_store(
        paths_in(Path(home)),
        Choice(backup=Path(backup)),
        formats=FORMATS,
        map_size=MAP_SIZE,
        now=1_767_300_000.0,
        say=lambda text: None,
        progress=lambda done: None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
