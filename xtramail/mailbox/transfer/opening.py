"""Which kind of files a person named, and the mail in them."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from xtramail.mailbox.transfer import eml_reader, export_state, maildir_reader, mbox_reader
from xtramail.mailbox.transfer.entries import Entry, Format, Trouble, readable
from xtramail.mailbox.transfer.folder_names import from_file
from xtramail.mailbox.transfer.tree import Directory, top, top_file, why
from xtramail.model.errors import BadInput
from xtramail.store.mailbox_names import MAX_DEPTH

_HEAD = 4096
_LOOKED_AT = 10_000
"""Names looked at in a folder before it is said that no kind of mail is known in it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Mail in files. ``octets``: of all files, for progress."""

    path: Path
    format: Format
    is_file: bool
    octets: int

    def entries(self) -> Generator[Entry, None, None]:
        """Everything in it, once. OSError when the top itself cannot be read any more."""
        if self.is_file:
            with top_file(self.path) as file:
                name = readable(self.path.name)
                if self.format == "mbox":
                    yield from mbox_reader.read_file(file, _levels_of_file(name), name)
                else:
                    yield eml_reader.read_file(file, (), name)
            return
        readers = {"mbox": mbox_reader, "maildir": maildir_reader, "eml": eml_reader}
        if export_state.is_cut_off(self.path):
            text = "an export that was cut off: run it again, for mail is missing in it"
            yield Trouble(readable(str(self.path)), text)
        with top(self.path) as folder:
            yield from readers[self.format].read_folder(folder)


def _levels_of_file(name: str) -> tuple[str, ...]:
    """A lone ``Work.mbox`` is the mailbox Work; any other file, such as /var/mail/ann, is an INBOX."""
    return (from_file(name.removesuffix(mbox_reader.SUFFIX)),) if name.endswith(mbox_reader.SUFFIX) else ()


def open_source(path: Path, format: Format | None) -> Source:
    """``format`` None: as it looks. BadInput when nothing can be read there, or no kind of mail is known in it."""
    try:
        if path.is_dir():
            with top(path) as folder:
                found = format or _format_of(folder)
                return Source(path, _known(path, found), is_file=False, octets=_octets(folder, 0))
        with top_file(path) as file:
            found = format or _format_of_file(os.pread(file.fileno(), _HEAD, 0))
            if found == "maildir":
                raise BadInput(f"{path}: a Maildir is a folder, this is a file; name the folder that has cur and new")
            return Source(path, _known(path, found), is_file=True, octets=os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise BadInput(
            f"{path}: {why(error)}; name a file or folder that the store's owner may read"
        ) from None


def _known(path: Path, format: Format | None) -> Format:
    if format is None:
        raise BadInput(
            f"{path}: neither an mbox (it would begin with \"From \"), nor a Maildir (with cur and new), nor *.eml "
            f"files; name what it is with --format mbox|maildir|eml"
        )
    return format


def _format_of_file(head: bytes) -> Format | None:
    if mbox_reader.begins_as_mbox(head):
        return "mbox"
    name, colon, _ = head.partition(b"\n")[0].partition(b":")
    return "eml" if colon and name and all(33 <= octet <= 126 for octet in name.rstrip()) else None


def _format_of(folder: Directory) -> Format | None:
    """The first kind that is seen, level by level."""
    left = _LOOKED_AT
    waiting: list[tuple[str, ...]] = [()]
    while waiting and left > 0:
        path = waiting.pop(0)
        seen, below, looked = _look(folder, path, left)
        if seen is not None:
            return seen
        left -= looked
        if len(path) < MAX_DEPTH:
            waiting += [(*path, name) for name in below]
    return None


def _look(folder: Directory, path: tuple[str, ...], most: int) -> tuple[Format | None, list[str], int]:
    if path:
        try:
            with folder.folder(path[0]) as inner:
                return _look(inner, path[1:], most)
        except OSError:
            return None, [], 1
    if maildir_reader.is_maildir(folder):
        return "maildir", [], 1
    names = folder.names()[:most]
    if any(name.startswith(".") and _holds_mail(folder, name) for name in names):
        return "maildir", [], len(names)
    if any(eml_reader.is_eml(name) for name in names):
        return "eml", [], len(names)
    for name in names:
        if folder.kind(name) == "file" and not name.startswith(".") and _begins_as_mbox(folder, name):
            return "mbox", [], len(names)
    return None, [name for name in names if folder.has_folder(name)], len(names)


def _holds_mail(folder: Directory, name: str) -> bool:
    try:
        with folder.folder(name) as inner:
            return maildir_reader.is_maildir(inner)
    except OSError:
        return False


def _begins_as_mbox(folder: Directory, name: str) -> bool:
    try:
        with folder.open(name) as file:
            return mbox_reader.begins_as_mbox(os.pread(file.fileno(), _HEAD, 0))
    except OSError:
        return False


def _octets(folder: Directory, depth: int) -> int:
    total = 0
    for name in folder.names():
        if folder.has_folder(name) and depth < MAX_DEPTH:
            try:
                with folder.folder(name) as inner:
                    total += _octets(inner, depth + 1)
            except OSError:
                continue
        else:
            total += folder.size(name)
    return total
