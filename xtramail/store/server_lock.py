"""The lock that says a server (or restore, init, upgrade) has this store to itself.

Owns ``server.lock`` in the store's folder. Short commands do not take it: LMDB keeps their transactions apart. It keeps
two servers off one store, and whoever replaces a store's files off a store that is being served.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from xtramail.model.errors import StoreBusy

NAME = "server.lock"


class ServerLock:
    """Held from construction to :meth:`release`; the kernel releases it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """StoreBusy, naming the process, when somebody holds it."""
        self._path = folder / NAME
        fresh = not self._path.exists()
        # Never unlinked: a second process could lock the new file while the first still holds the old one.
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if fresh and os.geteuid() == 0:
            # Taken by an administrator, next time by the service: it belongs to whom the folder belongs to.
            owner = folder.stat()
            os.fchown(self._descriptor, owner.st_uid, owner.st_gid)
        if not _locked(self._descriptor):
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


def _locked(descriptor: int) -> bool:
    """Take the lock; a second try, because somebody may just be asking :func:`is_held`."""
    for wait in (0.0, 0.05, 0.2):
        time.sleep(wait)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def is_held(folder: Path) -> bool:
    """Whether a server holds the store in ``folder``; False when there is none."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: those who only ask do not stand in each other's way.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
