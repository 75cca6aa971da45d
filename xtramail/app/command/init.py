"""``xtramail init``: a new installation in a folder: settings, authority and certificate, keys, empty store."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from xtramail.app.authority import ensure_certificate
from xtramail.app.command.context import Context
from xtramail.directory.keyring import create_keyring
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput
from xtramail.store import schema
from xtramail.store.lmdb_engine import LmdbEngine

CONFIG = "xtramail.toml"

LOCAL = """
[listen]
smtp = ["tcp:2525:interface=127.0.0.1"]
submission = ["tcp:2587:interface=127.0.0.1"]
submissions = ["tcp:2465:interface=127.0.0.1"]
imaps = ["tcp:2993:interface=127.0.0.1"]
metrics = ["tcp:9425:interface=127.0.0.1"]
# 2995 (POP3S) and 2443 (HTTPS) are kept for later.
"""


def settings_text(hostnames: tuple[str, ...], *, local: bool) -> str:
    """The settings file of a new installation: what differs from the defaults, and where the rest is told."""
    names = ", ".join(f'"{name}"' for name in hostnames)
    return (
        "# Settings of this xtramail server. Everything not named here has its default:\n"
        "# conf/xtramail.toml of the distribution documents every setting.\n\n"
        f"[server]\nhostname = [{names}]\n\n"
        '[store]\npath = "store"\n\n'
        '[certificates]\npath = "certs"\n\n'
        "# Kept apart from the store, and backed up with it: without them no password verifies.\n"
        '[login]\nkeys = "keys/passwords.key"\n' + (LOCAL if local else "")
    )


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--hostname", "hostnames", multiple=True, metavar="NAME", help="Name of this server; repeat for more.")
@click.option("--local", is_flag=True, help="For trying it out: 127.0.0.1 and ports 2525 2587 2465 2993.")
@click.pass_obj
def init(context: Context, directory: Path, hostnames: tuple[str, ...], local: bool) -> None:
    """Make a new installation in DIRECTORY: settings, certificate of an authority of its own, keys, empty store."""
    names = tuple(domain_key(name) for name in hostnames) or (("localhost",) if local else (socket.getfqdn(),))
    config = directory / CONFIG
    if config.exists() or (directory / "store" / "data.mdb").exists():
        raise BadInput(f"{directory} holds an installation already; choose another folder, or start that one")
    create(directory, names, local=local, now=context.now())
    context.done(
        {"directory": str(directory), "config": str(config), "hostnames": list(names)},
        f"New installation in {directory} for {', '.join(names)}.\n"
        f"Next: xtramail --config {config} domain add example.org --primary mail.example.org\n"
        f"Then: twistd -n xtramail --config {config}",
    )


def create(directory: Path, names: tuple[str, ...], *, local: bool, now: float) -> None:
    """All files of an installation; the settings last, so that what was cut short is not taken for whole."""
    for folder in (directory, directory / "store", directory / "certs", directory / "keys"):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    keys = directory / "keys" / "passwords.key"
    if not keys.exists():
        create_keyring(keys)
    hosts = [*names, *(name for name in (("localhost", "127.0.0.1") if local else ()) if name not in names)]
    ensure_certificate(directory / "certs", hosts, now=now)
    engine = LmdbEngine(directory / "store", create=True)
    try:
        schema.open_format(engine)
    finally:
        engine.close()
    config = directory / CONFIG
    partial = config.with_suffix(".partial")
    partial.write_text(settings_text(names, local=local), "utf-8")
    partial.chmod(0o600)
    partial.replace(config)
