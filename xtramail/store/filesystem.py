"""The file system below the store: what kind it is, and how much room is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from xtramail.model.errors import StoreFault

DATA_FILE = "data.mdb"
LOCK_FILE = "lock.mdb"

# LMDB needs a coherent shared memory map and POSIX locks, which these do not (always) give: the store would be damaged
# as soon as two machines, or a server and a daemon of the file system, see different pages.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "coda", "glusterfs", "lustre", "ncpfs", "beegfs"}
)


def kind_of(path: Path, mounts: str) -> str:
    """Type of the file system that holds ``path`` (absolute), by the text of /proc/self/mounts; empty when unknown."""
    target = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Blanks in names are written as octal escapes (proc(5)).
        point = fields[1].encode("latin-1", "replace").decode("unicode_escape")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        # Of two mounts on one point the later one is seen.
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def is_network(kind: str) -> bool:
    """Whether ``kind`` is a network file system, or FUSE (which may be one)."""
    return kind in _NETWORK or kind == "fuse" or kind.startswith(("fuse.", "fuseblk"))


def mounts_now() -> str:
    """/proc/self/mounts; empty on machines without it."""
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def disk_free(path: Path) -> int:
    """Octets that an unprivileged writer can still use."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def disk_size(path: Path) -> int:
    """Octets of the whole file system."""
    state = os.statvfs(path)
    return state.f_blocks * state.f_frsize


def check_folder(
    folder: Path, *, create: bool, allow_network: bool, mounts: Callable[[], str] = mounts_now
) -> None:
    """StoreFault when ``folder`` holds no store, or lies where LMDB would lose data, by the text of ``mounts()``."""
    if not (folder / DATA_FILE).exists():
        if not create:
            raise StoreFault(f"There is no store in {folder}: make one with `xtramail init`, or name another folder.")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kind = kind_of(folder, mounts())
    if is_network(kind) and not allow_network:
        raise StoreFault(f"{folder} is on {kind}: a store on a network file system loses data; use a local disk.")
