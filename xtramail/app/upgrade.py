"""``store upgrade``: a backup first, then the steps to this version's format. ``restore`` of that backup takes it back.

Owns what surrounds the steps: who may have the store meanwhile, the backup, and that a second run after any death goes
on. The steps are ``store/upgrade``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from xtramail.app.backup import MANIFEST, STORE, UNFINISHED, check_files, read_manifest, write_backup
from xtramail.app.paths import Paths
from xtramail.model.errors import BadInput, StoreFull
from xtramail.store import keys, schema, upgrade
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.server_lock import ServerLock
from xtramail.store.upgrade import Step, StepDone
from xtramail.store.upgrade_steps import STEPS, WITHOUT_WAY
from xtramail.telemetry.crashpoint import reach

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Formats:
    """The format that a version has, and its steps to it."""

    to: int = keys.FORMAT
    steps: Sequence[Step] = STEPS
    without: Mapping[int, str] = field(default_factory=lambda: WITHOUT_WAY)


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was done, or (``dry``) would be."""

    found: int
    """The format that the store had before the first step."""
    to: int
    steps: tuple[StepDone, ...]
    backup: Path | None
    """That holds the store as it was."""
    went_on: bool
    """An upgrade that had been begun before."""
    dry: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done beside the steps."""

    dry: bool = False
    backup: Path | None = None
    no_backup: bool = False


def upgrade_store(
    paths: Paths, choice: Choice, *, formats: Formats, map_size: int, now: float, say: Say, progress: upgrade.Progress
) -> Upgraded | None:
    """Bring the store to ``formats``; None when there is nothing to do.

    StoreBusy while a server holds it; BadInput without a word about a backup; FormatMismatch where there is no way;
    StoreFull where it has to be run again.
    """
    with ServerLock(paths.store):
        engine = LmdbEngine(paths.store, map_size=map_size)
        try:
            return _upgrade(engine, paths, choice, formats, now, say, progress)
        finally:
            engine.close()


def _upgrade(
    engine: LmdbEngine, paths: Paths, choice: Choice, formats: Formats, now: float, say: Say, progress: upgrade.Progress
) -> Upgraded | None:
    found = engine.read(keys.STORE, schema.format_of)
    begun = engine.read(keys.STORE, upgrade.unfinished)
    steps = upgrade.path(found, begun, formats.steps, to=formats.to, without=formats.without)
    if not steps:
        return None
    folder = Path(begun.backup) if begun is not None and begun.backup else choice.backup
    if choice.dry:
        done = upgrade.rehearse(engine, steps, begun, progress)
    else:
        if begun is None:
            folder = _backed_up(engine, paths, choice, steps[0].before, now, say)
        reach("upgrade.before-steps")
        try:
            done = upgrade.run(engine, steps, backup=str(folder or ""), progress=progress)
        except StoreFull:
            raise StoreFull(
                f"There is no room for more of the upgrade in {paths.store}. Make some on its disk, or raise "
                f"store.map-size; then run it again: it goes on where it was"
            ) from None
    return Upgraded(
        found=steps[0].before,
        to=formats.to,
        steps=tuple(done),
        backup=folder,
        went_on=begun is not None,
        dry=choice.dry,
    )


def _backed_up(engine: LmdbEngine, paths: Paths, choice: Choice, format: int, now: float, say: Say) -> Path | None:
    if choice.backup is None:
        if choice.no_backup:
            return None
        raise BadInput(
            "an upgrade cannot be taken back without a backup: name a new folder for one with --backup DIR, or say "
            "--no-backup"
        )
    folder = choice.backup.resolve()
    if (folder / MANIFEST).exists() and not (folder / UNFINISHED).exists():
        # A run before this one may have died behind its backup.
        say(f"comparing the store with the backup in {folder}")
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        if not _same(engine, folder / STORE):
            raise BadInput(
                f"{folder} holds a backup of {manifest.made} that differs from the store: name a new folder with "
                f"--backup DIR"
            )
        return folder

    def copy_store(place: Path) -> None:
        say(f"copying the store, {engine.used_bytes()} octets")
        engine.copy_to(place)

    return write_backup(copy_store, paths, folder, now=now, format=format, progress=say).folder


def _same(engine: LmdbEngine, folder: Path) -> bool:
    copy = LmdbEngine(folder)
    try:
        return all(one == other for one, other in zip_longest(_rows(engine), _rows(copy)))
    finally:
        copy.close()
        (folder / "lock.mdb").unlink(missing_ok=True)


def _rows(engine: LmdbEngine) -> Iterator[tuple[bytes, bytes]]:
    low = b""
    while rows := engine.stored_rows(low, 5_000):
        yield from rows
        low = rows[-1][0] + b"\0"
