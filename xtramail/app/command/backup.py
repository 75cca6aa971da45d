"""``xtramail backup`` and ``restore``: everything of an installation in one folder, and back."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from xtramail.app import backup as backups
from xtramail.app import restore as restores
from xtramail.app.command.context import Context, size_text
from xtramail.app.config import find_file

DEFAULT_CONFIG = Path("/etc/xtramail/xtramail.toml")


def _progress(context: Context, text: str) -> None:
    if not context.as_json:
        click.echo(text, err=True)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def backup(context: Context, directory: Path) -> None:
    """Write store, settings, certificates and keys into DIRECTORY (new or empty), while the server runs.

    It holds every password's hash and key: keep it as safe as the server.
    """
    made = backups.backup(
        context.engine, context.paths, directory, now=context.now(), progress=lambda text: _progress(context, text)
    )
    context.done(
        {"directory": str(made.folder), "files": made.files, "octets": made.octets},
        f"backup of {made.files} files, {size_text(made.octets)}, in {made.folder}.\n"
        f"Back with: xtramail restore {made.folder}",
    )


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_obj
def restore(context: Context, directory: Path) -> None:
    """Bring back what backup wrote into DIRECTORY, on a machine whose store is missing or empty.

    Where the settings file is missing (the one of --config, else /etc/xtramail/xtramail.toml), the backup's is put in
    its place and says where the rest belongs. Every mailbox gets a new UIDVALIDITY; the queue comes back held, its mail
    unconfirmed: what was under way at the backup may have been delivered since.
    """
    place = Path(context.config) if context.config is not None else DEFAULT_CONFIG
    if context.store is None and not place.exists() and find_file(context.config, os.environ, Path()) in (None, place):
        restores.settings_file(directory, place)
        context.config = str(place)
    done = restores.restore(
        directory, context.paths, now=context.now(), progress=lambda text: _progress(context, text)
    )
    value = {
        "made": done.made,
        "store": str(context.paths.store),
        "renewed": msgspec.to_builtins(done.renewed),
        "kept": [str(path) for path in done.kept],
    }
    context.done(
        value,
        f"the backup of {done.made} is back in {context.paths.store}.\n"
        "Its queue is held: look at it with: xtramail queue list, then xtramail queue retry --all\n"
        f"Next: twistd -n xtramail{f' --config {context.loaded.file}' if context.loaded.file else ''}",
    )
