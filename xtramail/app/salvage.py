"""``store salvage``: a backup made of a store that LMDB cannot read any more. ``restore`` puts it back.

Everything readable goes into a new store, which is then looked at by ``verify``, so that what is missing has a name.
The damaged store is only read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xtramail.app.backup import Made, write_backup
from xtramail.app.paths import Paths
from xtramail.model.errors import BadInput
from xtramail.store import salvage as readable
from xtramail.store import schema
from xtramail.store.filesystem import DATA_FILE, LOCK_FILE
from xtramail.store.lmdb_engine import LmdbEngine, write_store
from xtramail.store.page_file import PageFile
from xtramail.store.server_lock import ServerLock
from xtramail.store.verify import Report, verify


@dataclass(slots=True)
class Salvage:
    """What came of it."""

    made: Made
    read: readable.Salvaged
    checked: Report = field(default_factory=Report)


def salvage(paths: Paths, folder: Path, *, now: float, progress: Callable[[str], None] = lambda text: None) -> Salvage:
    """Write a backup of all that can be read into ``folder``, which is made, or is there and empty.

    StoreBusy while a server holds the store; BadInput where not one row is readable; FormatMismatch when another
    version wrote it.
    """
    told = readable.Salvaged()
    reports: list[Report] = []

    def write(place: Path) -> None:
        file = PageFile(paths.store / DATA_FILE)
        try:
            progress(f"reading {file.pages} pages")
            write_store(place, readable.rows(file, told, lambda so_far: progress(f"{so_far.rows} rows")))
        finally:
            file.close()
        if not told.rows:
            raise BadInput(f"nothing in {paths.store / DATA_FILE} can be read; restore a backup: xtramail restore DIR")
        engine = LmdbEngine(place)
        try:
            schema.open_format(engine)
        finally:
            engine.close()
        progress("checking what was read")
        reports.append(verify(place))
        (place / LOCK_FILE).unlink()

    with ServerLock(paths.store):
        made = write_backup(write, paths, folder, now=now, progress=progress)
    return Salvage(made=made, read=told, checked=reports[0])
