"""Whose files are worked on: run as root, the command line becomes the store's owner before it opens anything in it.

No file of root's stays behind in a store, and nothing that was planted there is followed with root's rights.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from xtramail.model.errors import BadInput, NotPermitted
from xtramail.store.filesystem import DATA_FILE


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def become_owner(folder: Path) -> None:
    """Become whom ``folder`` belongs to, when this is root; NotPermitted when it is a stranger."""
    status = folder.stat()
    data = folder / DATA_FILE
    if os.geteuid() not in (0, status.st_uid) and data.exists() and not os.access(data, os.R_OK | os.W_OK):
        raise NotPermitted(f"{folder} belongs to {user_name(status.st_uid)}: run this as that user, or as root")
    if os.geteuid() != 0 or status.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(status.st_uid).pw_name, status.st_gid)
    except KeyError:
        os.setgroups([])
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)


def give(place: Path, like: Path) -> None:
    """Run as root, give a file or folder to whom ``like`` belongs to."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(place, owner.st_uid, owner.st_gid)


def folder_for_owner(folder: Path, store: Path) -> None:
    """Make ``folder`` for the store's owner while this is still root; BadInput when he could not write in it."""
    if os.geteuid() != 0:
        return
    owner = store.stat()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        give(folder, store)
    elif folder.stat().st_uid not in (0, owner.st_uid) or (folder.stat().st_uid == 0 != owner.st_uid):
        name = user_name(owner.st_uid)
        raise BadInput(
            f"{folder} belongs to {user_name(folder.stat().st_uid)}, and the store's owner {name} is to write in it: "
            f"name a folder that does not exist yet, or run: chown {name} {folder}"
        )


def belonging_to_root(places: list[Path]) -> list[Path]:
    """Those of ``places`` that root has made and a server without root's rights could not use."""
    return [place for place in places if os.geteuid() == 0 and place.exists() and place.stat().st_uid == 0]
