"""The lock that says a server (or restore, init, upgrade) has this store to itself.

Owns ``server.lock`` in the store's folder. Short commands do not take it: LMDB keeps their transactions apart. It keeps
two servers off one store, and whoever replaces a store's files off a store that is being served.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from xtramail.model.errors import StoreBusy

NAME = "server.lock"


class ServerLock:
    """Held from construction to :meth:`release`; the kernel releases it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """StoreBusy, naming the process, when somebody holds it."""
        self._path = folder / NAME
        # Never unlinked: a second process could lock the new file while the first still holds the old one.
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreBusy(
                f"The store {folder} is in use by process {holder or 'unknown'}: stop that server first."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> ServerLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(folder: Path) -> bool:
    """Whether a server holds the store in ``folder``; False when there is none."""
    if not (folder / NAME).exists():
        return False
    try:
        ServerLock(folder).release()
    except StoreBusy:
        return True
    return False
