"""``xtramail init``: a new installation in a folder: settings, authority and certificate, keys, empty store."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from xtramail.app.authority import FOLDER, ensure_certificate
from xtramail.app.command.context import CONFIG, Context, Reporting
from xtramail.app.restore import refuse_used
from xtramail.directory.keyring import create_keyring, load_keyring
from xtramail.model.address import domain_key
from xtramail.model.errors import AlreadyExists, BadInput
from xtramail.store import schema
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.server_lock import ServerLock

LOCAL = """
[listen]
smtp = ["tcp:2525:interface=127.0.0.1"]
submission = ["tcp:2587:interface=127.0.0.1"]
submissions = ["tcp:2465:interface=127.0.0.1"]
imaps = ["tcp:2993:interface=127.0.0.1"]
pop3s = ["tcp:2995:interface=127.0.0.1"]
metrics = ["tcp:9425:interface=127.0.0.1"]
# 2443 (HTTPS) is kept for later.
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


@click.command(cls=Reporting)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--hostname", "hostnames", multiple=True, metavar="NAME", help="Name of this server; repeat for more.")
@click.option("--local", is_flag=True, help="For trying it out: 127.0.0.1 and ports 2525 2587 2465 2993 2995.")
@click.pass_obj
def init(context: Context, directory: Path, hostnames: tuple[str, ...], local: bool) -> None:
    """Make a new installation: settings, certificate, keys and an empty store.

    In DIRECTORY, with an authority of its own whose certificate (certs/authority/ca.crt) devices are told to trust.
    What was cut short can be run again.
    """
    names = tuple(map(_host_name, hostnames)) or (("localhost",) if local else (_host_name(socket.getfqdn()),))
    config = directory / CONFIG
    if config.exists():
        raise AlreadyExists(f"{directory} holds an installation already; choose another folder, or start that one")
    create(directory, names, local=local, now=context.now())
    authority = directory / "certs" / FOLDER / "ca.crt"
    text = (
        f"New installation in {directory} for {', '.join(names)}.\n"
        f"Devices are to trust: {authority}\n"
        f"Next: xtramail --config {config} domain add example.org --primary mail.example.org\n"
        f"Then: twistd -n xtramail --config {config}"
    )
    if os.geteuid() == 0 and not local:
        text += f"\nAll of it belongs to root; for a server that runs as another user: chown -R USER: {directory}"
    value = {
        "directory": str(directory),
        "config": str(config),
        "hostnames": list(names),
        "authority": str(authority),
    }
    context.done(value, text)


def _host_name(name: str) -> str:
    found = domain_key(name)
    if found.startswith("["):
        raise BadInput(f"hostname {name!r}: write it as mail.example.org")
    return found


def create(directory: Path, names: tuple[str, ...], *, local: bool, now: float) -> None:
    """All files of an installation; the settings last, so that what was cut short is not taken for whole.

    BadInput where there is a store that is not empty, StoreBusy where a server holds it.
    """
    # A folder that is there keeps its mode: it may be one that others have to pass through.
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (directory / "store", directory / "certs", directory / "keys"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
    with ServerLock(directory / "store"):
        refuse_used(directory / "store")
        _keys(directory / "keys" / "passwords.key")
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


def _keys(place: Path) -> None:
    """Keys of passwords; nothing was hashed with those that were cut short while they were written."""
    if place.exists():
        try:
            load_keyring(place)
            return
        except BadInput:
            place.unlink()
    create_keyring(place)
