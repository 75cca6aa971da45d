"""Where an export writes: folders for their owner alone, files that are never another's."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Place:
    """The folder that all lies in."""

    top: Path

    def inside(self, *names: str) -> Path:
        """A folder under it, made where it is missing (0700). NotADirectoryError when one of ``names`` is no folder,
        or a link: nobody leads us out of the top."""
        folder = self.top
        for name in names:
            folder = folder / name
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                if folder.is_symlink() or not folder.is_dir():
                    raise NotADirectoryError(20, "is there already, and is no folder", str(folder)) from None
        return folder


def place_new(partial: Path, path: Path) -> None:
    """Give a whole file its name; FileExistsError when another has it."""
    try:
        # Unlike a rename, a link never takes another file's place.
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # FAT and some network file systems have no links.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "it is there already", str(path)) from None
        os.rename(partial, path)
        return
    os.unlink(partial)


def new_file(path: Path) -> BinaryIO:
    """A file that was not there, for its owner alone (0600); FileExistsError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "w+b", buffering=1 << 18)
