"""``backup``: the store, and all that a bare machine needs beside it, in one folder; while the server runs or not.

The folder: ``store/data.mdb``, ``certificates/``, ``keys/passwords.key``, ``xtramail.toml``, and ``manifest.json`` with
each file's SHA-256, written last: without it a backup is not one. Everything is for its owner's eyes (0700, 0600): it
holds mail, private keys and the keys of passwords. Putting it back is ``restore``'s.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from xtramail import __version__
from xtramail.app.paths import Paths
from xtramail.model.errors import BadInput
from xtramail.store import keys
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.telemetry.crashpoint import reach

MANIFEST = "manifest.json"
STORE = "store"
DATA = "store/data.mdb"
CERTIFICATES = "certificates"
KEYS = "keys/passwords.key"
CONFIG = "xtramail.toml"
UNFINISHED = ".unfinished"
"""Stands in a backup while it is written: what is in a folder with it is ours, and no backup."""

_BLOCK = 1 << 20


class FileEntry(msgspec.Struct, frozen=True):
    """One file of a backup."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True):
    """``manifest.json``. ``files`` by path below the backup's folder."""

    version: str
    """Of the xtramail that made it."""
    format: int
    made: str
    """ISO 8601, UTC."""
    files: dict[str, FileEntry]


@dataclass(frozen=True, slots=True)
class Made:
    """A finished backup."""

    folder: Path
    files: int
    octets: int


def backup(
    engine: LmdbEngine, paths: Paths, folder: Path, *, now: float, progress: Callable[[str], None] = lambda text: None
) -> Made:
    """Write a backup into ``folder``, which is made, or is there and empty; in any thread.

    BadInput when it is not empty or lies inside of the store. What was begun is removed when it fails, or, where its
    process died, when one is made there again.
    """

    def copy_store(place: Path) -> None:
        progress(f"copying the store, {engine.used_bytes()} octets")
        engine.copy_to(place)

    return write_backup(copy_store, paths, folder, now=now, progress=progress)


def write_backup(
    write_store: Callable[[Path], None],
    paths: Paths,
    folder: Path,
    *,
    now: float,
    format: int = keys.FORMAT,
    progress: Callable[[str], None] = lambda text: None,
) -> Made:
    """As :func:`backup`, with a store of ``format`` that ``write_store`` puts into the empty folder it is given."""
    folder = folder.resolve()
    if (folder / UNFINISHED).exists():
        _clear(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty: a backup gets a folder of its own, such as one named by the date")
    if folder.is_relative_to(paths.store.resolve()):
        raise BadInput(f"{folder} lies inside the store: a backup must survive the loss of the store's folder")
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _write(write_store, paths, folder, now, format, progress)
    except BaseException:
        _clear(folder)
        if not existed:
            folder.rmdir()
        raise


def _clear(folder: Path) -> None:
    """The mark last, for whoever dies in here."""
    for child in sorted(folder.iterdir(), key=lambda one: one.name == UNFINISHED):
        shutil.rmtree(child) if child.is_dir() else child.unlink()


def _write(
    write_store: Callable[[Path], None],
    paths: Paths,
    folder: Path,
    now: float,
    format: int,
    progress: Callable[[str], None],
) -> Made:
    os.chmod(folder, 0o700)
    _write_private(folder / UNFINISHED, b"")
    (folder / STORE).mkdir(mode=0o700)
    write_store(folder / STORE)
    reach("backup.store-written")
    os.chmod(folder / DATA, 0o600)
    for name, source in _other_files(paths):
        progress(f"copying {source}")
        place = folder / name
        private_folder(place.parent)
        # Followed: certbot's live/ folder is symbolic links into archive/.
        _copy_private(source, place)
    files = {name: entry_of(folder / name) for name in sorted(_names(folder))}
    made = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    manifest = Manifest(version=__version__, format=format, made=made, files=files)
    for place in (*folder.rglob("*"), folder):
        sync(place)
    _write_private(folder / MANIFEST, json.dumps(msgspec.to_builtins(manifest), indent=1).encode() + b"\n")
    sync(folder)
    reach("backup.manifest-written")
    (folder / UNFINISHED).unlink()
    return Made(folder=folder, files=len(files), octets=sum(entry.size for entry in files.values()))


def _other_files(paths: Paths) -> Iterator[tuple[str, Path]]:
    """Name in the backup and place on the machine of everything that is not the store."""
    if paths.config is not None and paths.config.is_file():
        yield CONFIG, paths.config
    if paths.keys.is_file():
        yield KEYS, paths.keys
    for source in sorted(paths.certificates.rglob("*")):
        if source.is_file():
            yield f"{CERTIFICATES}/{source.relative_to(paths.certificates).as_posix()}", source


def _names(folder: Path) -> Iterator[str]:
    for place in folder.rglob("*"):
        if place.is_file() and place.name != UNFINISHED:
            yield place.relative_to(folder).as_posix()


def entry_of(place: Path) -> FileEntry:
    """Digest and size of a file, read in blocks."""
    digest = hashlib.sha256()
    size = 0
    with place.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileEntry(sha256=digest.hexdigest(), size=size)


def read_manifest(folder: Path) -> Manifest:
    """BadInput when ``folder`` is no backup, or its manifest is none of ours."""
    try:
        if (folder / UNFINISHED).exists():
            raise BadInput(f"{folder} is no finished backup: whoever made it was stopped; choose another folder")
        text = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BadInput(
            f"{folder} is no finished backup: {MANIFEST} cannot be read ({error.strerror}); choose another folder"
        ) from None
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise BadInput(f"{folder / MANIFEST} is damaged ({error}): use another backup") from None
    for name in manifest.files:
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            raise BadInput(f"{folder / MANIFEST} names a file outside of the backup: {name}")
    if DATA not in manifest.files:
        raise BadInput(f"{folder / MANIFEST} names no store: use another backup")
    return manifest


def check_files(folder: Path, manifest: Manifest, progress: Callable[[str], None] = lambda text: None) -> None:
    """Every file against its digest; BadInput names those that are missing or changed."""
    wrong = []
    for name, entry in manifest.files.items():
        progress(f"checking {name}")
        try:
            if entry_of(folder / name) != entry:
                wrong.append(f"{name} has changed")
        except OSError as error:
            wrong.append(f"{name}: {error.strerror}")
    if wrong:
        raise BadInput(f"the backup in {folder} is damaged: {'; '.join(wrong)}. Use another backup")


def private_folder(place: Path) -> None:
    """Make a folder and those above it that are missing, all private; ``parents=True`` gives its mode to the last."""
    if not place.is_dir():
        private_folder(place.parent)
        place.mkdir(mode=0o700, exist_ok=True)


def sync(place: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_private(source: Path, place: Path) -> None:
    with source.open("rb") as origin, _create(place) as target:
        shutil.copyfileobj(origin, target, _BLOCK)


def _write_private(place: Path, content: bytes) -> None:
    with _create(place) as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def _create(place: Path) -> Any:
    return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
