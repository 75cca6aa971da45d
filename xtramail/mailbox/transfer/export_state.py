"""What an export leaves in its folder of itself, so that one that was cut off goes on, and no other is mixed into it.

Owns that one file. Mailboxes it names are finished; what else lies in the folder is of the one that was under way.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from xtramail.mailbox.transfer.entries import Format
from xtramail.mailbox.transfer.places import PARTIAL, new_file
from xtramail.model.errors import BadInput

NAME = ".xtramail-export.json"


class State(msgspec.Struct):
    """``since``: seconds since 1970, 0 for everything; ``mailbox``: the only one, or empty. ``done``:
    messages written, octets of them, and messages that were there, of each mailbox that is finished."""

    account: str
    format: Format
    mailbox: str = ""
    since: float = 0.0
    finished: bool = False
    done: dict[str, tuple[int, int, int]] = {}


def begin(folder: Path, wanted: State) -> State:
    """Of ``folder``, which is made when it is missing (0700): the state of what is to be gone on with, or ``wanted``.

    BadInput for a folder with anything else in it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"{folder} is a file; name a folder that does not exist yet") from None
    found = _read(folder)
    if found is None:
        if any(name != NAME + PARTIAL for name in os.listdir(folder)):
            raise BadInput(f"{folder} is not empty, and nothing in it is overwritten; name a new folder")
        write(folder, wanted)
        return wanted
    if found.finished:
        raise BadInput(f"{folder} holds an export that is finished; name a new folder")
    same = (found.account, found.format, found.mailbox, found.since)
    if same != (wanted.account, wanted.format, wanted.mailbox, wanted.since):
        raise BadInput(
            f"{folder} holds the beginning of another export (of {found.account}, {found.format}); name a new folder, "
            f"or give the same address and options again to go on with it"
        )
    return found


def write(folder: Path, state: State) -> None:
    """Durably, in place of the one before."""
    partial = folder / (NAME + PARTIAL)
    partial.unlink(missing_ok=True)
    with new_file(partial) as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, folder / NAME)


def is_cut_off(folder: Path) -> bool:
    """Whether an export lies there that has not come to its end."""
    try:
        found = _read(folder)
    except (BadInput, OSError):
        return False
    return found is not None and not found.finished


def _read(folder: Path) -> State | None:
    place = folder / NAME
    if not place.exists() or place.is_symlink():
        return None
    try:
        return msgspec.json.decode(place.read_bytes(), type=State)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadInput(f"{place} cannot be understood; name a new folder") from None
