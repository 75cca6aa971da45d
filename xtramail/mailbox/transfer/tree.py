"""Folders of files that nobody vouches for: walked by descriptors, so that no link leads out of them.

No symbolic link is followed below the top, whatever is put in its place meanwhile; nothing but regular files is opened,
so that no FIFO or device holds us up. Names may be any octets.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from xtramail.mailbox.transfer.entries import CHUNK, WHOLE, readable

Kind = Literal["file", "folder", "link", "special", "gone"]
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Directory:
    """An open folder. ``place`` is what people call it."""

    descriptor: int
    place: str

    def names(self) -> list[str]:
        """All of them, in order; octets that are no UTF-8 as surrogates."""
        return sorted(os.listdir(self.descriptor))

    def kind(self, name: str) -> Kind:
        try:
            mode = os.lstat(name, dir_fd=self.descriptor).st_mode
        except OSError:
            return "gone"
        if stat.S_ISREG(mode):
            return "file"
        if stat.S_ISDIR(mode):
            return "folder"
        return "link" if stat.S_ISLNK(mode) else "special"

    def has_folder(self, name: str) -> bool:
        return self.kind(name) == "folder"

    def size(self, name: str) -> int:
        """Octets; 0 when it is no file."""
        try:
            status = os.lstat(name, dir_fd=self.descriptor)
        except OSError:
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def path(self, name: str) -> str:
        """For people."""
        return f"{self.place}/{readable(name)}" if self.place else readable(name)

    @contextmanager
    def folder(self, name: str) -> Iterator[Directory]:
        """OSError when it is none, or a link."""
        opened = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=self.descriptor)
        try:
            yield Directory(opened, self.path(name))
        finally:
            os.close(opened)

    def open(self, name: str) -> BinaryIO:
        """A regular file; OSError when it is anything else."""
        return _regular(os.open(name, _OPEN, dir_fd=self.descriptor))


@contextmanager
def top(path: Path) -> Iterator[Directory]:
    """The folder that a person named: this one may be a link."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Directory(opened, "")
    finally:
        os.close(opened)


def top_file(path: Path) -> BinaryIO:
    """The file that a person named: it may be a link; OSError when it leads to no regular file."""
    return _regular(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def _regular(descriptor: int) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Octets ``start`` to ``end`` (not included) of an open file, however often; fewer when it was cut meanwhile."""
    at, step = start, WHOLE if end - start <= WHOLE else CHUNK
    while at < end:
        piece = os.pread(file.fileno(), min(step, end - at), at)
        if not piece:
            return
        at += len(piece)
        yield piece


def why(error: OSError) -> str:
    """An error of the system in words."""
    return error.strerror or str(error)
