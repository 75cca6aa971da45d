"""Which file systems may hold a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtramail.model.errors import StoreFault
from xtramail.store import filesystem

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /srv/mail nfs4 rw,vers=4.2 0 0
/dev/vdb /srv/mail/local xfs rw 0 0
//nas/share /mnt/with\\040blank cifs rw 0 0
sshfs /home/x/away fuse.sshfs rw 0 0
/dev/vdc /srv ext4 rw 0 0
tmpfs /srv tmpfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/srv/mail", "nfs4"),
        ("/srv/mail/a/b", "nfs4"),
        ("/srv/mailbox", "tmpfs"),
        ("/srv/mail/local/store", "xfs"),
        ("/mnt/with blank/store", "cifs"),
        ("/home/x/away/store", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str) -> None:
    assert filesystem.kind_of(Path(path), MOUNTS) == kind


def test_an_unknown_mount_table_says_nothing() -> None:
    assert filesystem.kind_of(Path("/x"), "") == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuseblk", "9p", "ceph"])
def test_network_file_systems_are_known(kind: str) -> None:
    assert filesystem.is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", ""])
def test_local_file_systems_are_not_refused(kind: str) -> None:
    assert not filesystem.is_network(kind)


def test_a_folder_without_a_store_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="xtramail init"):
        filesystem.check_folder(tmp_path, create=False, allow_network=False)


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    filesystem.check_folder(tmp_path / "store", create=True, allow_network=False)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


def test_room_is_told_in_octets(tmp_path: Path) -> None:
    assert 0 < filesystem.disk_free(tmp_path) <= filesystem.disk_size(tmp_path)


def test_a_store_on_a_network_file_system_is_refused_unless_it_is_wanted(tmp_path: Path) -> None:
    def mounts() -> str:
        return f"/dev/sda1 / ext4 rw 0 0\nserver:/mail {tmp_path} nfs4 rw 0 0\n"

    folder = tmp_path / "store"
    with pytest.raises(StoreFault, match="is on nfs4: a store on a network file system loses data"):
        filesystem.check_folder(folder, create=True, allow_network=False, mounts=mounts)
    filesystem.check_folder(folder, create=True, allow_network=True, mounts=mounts)
    filesystem.check_folder(folder, create=True, allow_network=False, mounts=lambda: "/dev/sda1 / ext4 rw 0 0\n")
