"""Writes a mailbox as a folder of EML files, each octet as it is stored, with ``messages.jsonl`` for all else."""

from __future__ import annotations

import os
from pathlib import Path

from xtramail.mailbox.transfer.eml_index import NAME, line_of, read_index
from xtramail.mailbox.transfer.eml_reader import SUFFIX
from xtramail.mailbox.transfer.entries import Outgoing
from xtramail.mailbox.transfer.folder_names import to_file
from xtramail.mailbox.transfer.places import PARTIAL, Place, new_file
from xtramail.mailbox.transfer.tree import top as opened


class EmlWriter:
    """One mailbox."""

    def __init__(self, top: Path, levels: tuple[str, ...]) -> None:
        self.path = Place(top).inside(*map(to_file, levels))
        with opened(self.path) as folder:
            known, _ = read_index(folder)
            self._there = {name for name, line in known.items() if folder.size(name) == line.octets}
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._index = os.fdopen(os.open(self.path / NAME, flags, 0o600), "a+b")
        self._wrote = False
        self._end_line()

    def _end_line(self) -> None:
        """An export that was cut off may have left half a line."""
        if size := self._index.seek(0, os.SEEK_END):
            self._index.seek(size - 1)
            if self._index.read(1) != b"\n":
                self._index.write(b"\n")

    def _name(self, message: Outgoing) -> str:
        return f"{message.uid:010d}{SUFFIX}"

    def has(self, message: Outgoing) -> bool:
        """An export that was cut off wrote it."""
        return self._name(message) in self._there

    def put(self, message: Outgoing) -> None:
        """All of it or, when its octets cannot be had, nothing."""
        name = self._name(message)
        partial = self.path / (name + PARTIAL)
        partial.unlink(missing_ok=True)
        try:
            with new_file(partial) as file:
                for chunk in message.chunks():
                    file.write(chunk)
            os.utime(partial, (message.received_at, message.received_at))
            # A file that no line names is what a death left between the two: written again. No link is followed.
            os.replace(partial, self.path / name)
        finally:
            partial.unlink(missing_ok=True)
        self._index.write(line_of(name, message))
        self._index.flush()
        self._wrote = True

    def finish(self) -> None:
        """Durable: one sync for all is quicker than one for each."""
        self._index.close()
        if self._wrote:
            os.sync()

    def give_up(self) -> None:
        self._index.close()
