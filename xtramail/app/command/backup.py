"""``xtramail backup`` and ``restore``: everything of an installation in one folder, and back."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from xtramail.app import backup as backups
from xtramail.app import restore as restores
from xtramail.app.command.context import Context, Reporting, count_of, size_text
from xtramail.app.command.privilege import belonging_to_root, folder_for_owner, give
from xtramail.app.config import find_file
from xtramail.app.paths import Paths
from xtramail.model.errors import BadInput
from xtramail.store import keys
from xtramail.store.filesystem import DATA_FILE
from xtramail.store.last_backup import put_last_backup

DEFAULT_CONFIG = Path("/etc/xtramail/xtramail.toml")


def _progress(context: Context, text: str) -> None:
    if not context.as_json:
        click.echo(text, err=True)


@click.command(cls=Reporting)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def backup(context: Context, directory: Path) -> None:
    """Write store, settings, certificates and keys into a new folder.

    DIRECTORY is made, or is there and empty; the server may run. The backup holds every password's hash and key: keep
    it as safe as the server.
    """
    store = context.paths.store
    if (store / DATA_FILE).exists():
        folder_for_owner(directory, store)
    made = backups.backup(
        context.engine, context.paths, directory, now=context.now(), progress=lambda text: _progress(context, text)
    )
    now = context.now()
    context.engine.transact(keys.STORE, lambda txn: put_last_backup(txn, now)).result()
    context.done(
        {"directory": str(made.folder), "files": made.files, "size": made.octets},
        f"backup of {count_of(made.files, 'file')}, {size_text(made.octets)}, in {made.folder}.\n"
        f"Back with: xtramail restore {made.folder}",
    )


@click.command(cls=Reporting)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_obj
def restore(context: Context, directory: Path) -> None:
    """Bring back what a backup wrote.

    DIRECTORY is that backup; the machine's store is missing or empty. Where the settings file is missing (the one of
    --config, else /etc/xtramail/xtramail.toml), the backup's is put in its place and says where the rest belongs. Every
    mailbox gets a new UIDVALIDITY; the queue comes back held, its mail unconfirmed: what was under way at the backup
    may have been delivered since.
    """
    placed = _place_settings(context, directory)
    try:
        done = restores.restore(
            directory, context.paths, now=context.now(), progress=lambda text: _progress(context, text)
        )
    except BaseException:
        if placed is not None:
            placed.unlink()
        raise
    finally:
        _give_back(context.paths.store)
    entries = done.renewed.entries
    value = {
        "made": done.made,
        "store": str(context.paths.store),
        "settings": str(context.loaded.file) if context.loaded.file is not None else None,
        "renewed": msgspec.to_builtins(done.renewed),
        "kept": [str(path) for path in done.kept],
        "owned-by-root": [str(path) for path in _roots(context.paths)],
    }
    context.done(value, "\n".join(_told(context, done, entries)))


def _place_settings(context: Context, directory: Path) -> Path | None:
    """The backup's settings, on a machine that has none; the file that was written."""
    place = find_file(context.config, os.environ, Path.cwd()) or DEFAULT_CONFIG
    if context.store is not None or place.exists():
        return None
    try:
        restores.settings_file(directory, place)
    except PermissionError:
        raise BadInput(
            f"{place} cannot be written; run this as root, or name other settings with --config FILE"
        ) from None
    context.config = str(place)
    return place


def _give_back(store: Path) -> None:
    """What root made in the store belongs to whom the store belongs to."""
    if store.is_dir():
        for place in store.iterdir():
            give(place, store)


def _roots(paths: Paths) -> list[Path]:
    places = [paths.store, paths.keys, paths.certificates]
    return belonging_to_root([*places, *([paths.config] if paths.config is not None else [])])


def _told(context: Context, done: restores.Restored, entries: int) -> list[str]:
    lines = [f"the backup of {done.made} is back in {context.paths.store}."]
    lines += [f"was in the way, kept as: {path}" for path in done.kept]
    if entries:
        lines.append(
            f"{count_of(entries, 'message')} held in its queue: look with: xtramail queue list, then xtramail queue "
            f"retry --all"
        )
    if roots := _roots(context.paths):
        lines.append(f"A server without root's rights needs: chown -R USER: {' '.join(map(str, roots))}")
    file = context.loaded.file
    start = f" --config {file}" if file is not None else f" --store {context.paths.store}"
    return [*lines, f"Next: twistd -n xtramail{start}"]
