"""``restore``: a backup becomes a working installation on a machine that may have nothing yet.

Everything is checked before anything is changed, and the store is made ready in a folder beside its place and moved
there last: a restore that is cut short left the old state, and can be run again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xtramail.app.backup import (
    CERTIFICATES,
    CONFIG,
    DATA,
    KEYS,
    Manifest,
    check_files,
    private_folder,
    read_manifest,
    sync,
)
from xtramail.app.paths import Paths
from xtramail.app.upgrade import Formats
from xtramail.model.errors import BadInput, StoreFault
from xtramail.model.pending import drive
from xtramail.net.certificates import write_private
from xtramail.store import keys, schema, upgrade
from xtramail.store.filesystem import DATA_FILE
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.restored import Renewed, renew
from xtramail.store.server_lock import ServerLock

WORK = ".restoring"
ASIDE = ".before-restore"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    made: str
    """When the backup was made, ISO 8601."""
    renewed: Renewed
    kept: tuple[Path, ...]
    """Files that were in the way and lie beside their old place now, with ``.before-restore`` behind their name."""


def restore(
    folder: Path,
    paths: Paths,
    *,
    now: float,
    formats: Formats | None = None,
    progress: Progress = lambda text: None,
) -> Restored:
    """Put the backup in ``folder`` to where ``paths`` says; one of an older format is brought to this one's.

    StoreBusy while a server holds the store; BadInput over a store with mail or accounts in it, or when the backup is
    damaged; FormatMismatch when its format is newer, or one without a way to this one's. The settings file is written
    only where there is none; certificates and keys replace those that are there, which are kept beside.
    """
    manifest = read_manifest(folder)
    private_folder(paths.store)
    with ServerLock(paths.store):
        refuse_used(paths.store)
        check_files(folder, manifest, progress)
        progress("copying the store")
        renewed = _restore_store(folder, paths.store, manifest, now, formats or Formats(), progress)
        kept = _restore_files(folder, paths, manifest)
        _move_in(paths.store)
    return Restored(made=manifest.made, renewed=renewed, kept=kept)


def settings_file(folder: Path, place: Path) -> None:
    """Put the backup's settings file at ``place``, for a machine that has none: it says where all the rest belongs.

    BadInput when the backup has none, or there is a file at ``place``.
    """
    manifest = read_manifest(folder)
    if CONFIG not in manifest.files:
        raise BadInput(f"the backup in {folder} has no settings file; name the store to restore to with --store DIR")
    if place.exists():
        raise BadInput(f"{place} exists already: it will not be replaced; run restore with --config {place}")
    private_folder(place.parent)
    write_private(place, (folder / CONFIG).read_bytes())


def refuse_used(store: Path) -> None:
    """BadInput unless ``store`` is missing or as empty as ``init`` makes it."""
    if not (store / DATA_FILE).exists():
        return
    hint = f"move {store} away first, or restore to another place"
    try:
        engine = LmdbEngine(store)
    except StoreFault as error:
        raise BadInput(f"there is a store in {store} that cannot be read ({error.text}): {hint}") from None
    try:
        used = bool(engine.buckets()) or any(scope != keys.STORE for scope in engine.scopes(b""))
    finally:
        engine.close()
    if used:
        raise BadInput(f"the store in {store} has accounts or mail in it and will not be overwritten: {hint}")


def _restore_store(
    folder: Path, store: Path, manifest: Manifest, now: float, formats: Formats, progress: Progress
) -> Renewed:
    work = store / WORK
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(mode=0o700)
    shutil.copyfile(folder / DATA, work / DATA_FILE)
    os.chmod(work / DATA_FILE, 0o600)
    sync(work / DATA_FILE)
    engine = LmdbEngine(work)
    try:
        for step in _steps(engine, formats):
            progress(f"from format {step.before} to {step.before + 1}: {step.title}")
            upgrade.run(engine, [step])
        schema.open_format(engine)
        progress("making the store ready: new UIDVALIDITYs, queue held")
        reason = f"restored from the backup of {manifest.made}: may have been delivered since"
        return drive(renew(engine, now, reason))
    finally:
        engine.close()


def _steps(engine: LmdbEngine, formats: Formats) -> list[upgrade.Step]:
    found = engine.read(keys.STORE, schema.format_of)
    begun = engine.read(keys.STORE, upgrade.unfinished)
    return upgrade.path(found, begun, formats.steps, to=formats.to, without=formats.without)


def _restore_files(folder: Path, paths: Paths, manifest: Manifest) -> tuple[Path, ...]:
    kept = []
    for name in manifest.files:
        place = _place(name, paths)
        if place is None:
            continue
        content = (folder / name).read_bytes()
        if place.exists():
            if place.read_bytes() == content:
                continue
            aside = place.with_name(place.name + ASIDE)
            os.replace(place, aside)
            kept.append(aside)
        private_folder(place.parent)
        write_private(place, content)
    return tuple(kept)


def _place(name: str, paths: Paths) -> Path | None:
    if name == KEYS:
        return paths.keys
    if name == CONFIG:
        return paths.config if paths.config is not None and not paths.config.exists() else None
    if name.startswith(CERTIFICATES + "/"):
        return paths.certificates / name.removeprefix(CERTIFICATES + "/")
    return None


def _move_in(store: Path) -> None:
    work = store / WORK
    # LMDB's lock file belongs to the files it was made with; the next opener makes a new one.
    (store / "lock.mdb").unlink(missing_ok=True)
    os.replace(work / DATA_FILE, store / DATA_FILE)
    sync(store)
    shutil.rmtree(work)
    if os.geteuid() == 0:
        # Restored by an administrator, used by the service: it belongs to whom the folder belongs to.
        owner = store.stat()
        for place in store.iterdir():
            os.chown(place, owner.st_uid, owner.st_gid)
