"""Writes a mailbox as one mbox file, quoted as in mboxrd; before each message stand its flags, keywords and time."""

from __future__ import annotations

import os
from pathlib import Path

from xtramail.mailbox.transfer.entries import Chunks, Outgoing
from xtramail.mailbox.transfer.folder_names import to_file
from xtramail.mailbox.transfer.line_ends import is_canonical, to_lf
from xtramail.mailbox.transfer.mbox_lines import from_line, quoted
from xtramail.mailbox.transfer.mbox_reader import SUFFIX
from xtramail.mailbox.transfer.mbox_status import status_lines
from xtramail.mailbox.transfer.places import PARTIAL, Place, new_file, place_new


class MboxWriter:
    """One mailbox. The file has its name when it is whole; until then it ends in ``.partial``."""

    def __init__(self, top: Path, levels: tuple[str, ...]) -> None:
        """OSError, also when there is a file of that name already."""
        folder = Place(top).inside(*map(to_file, levels[:-1]))
        self.path = folder / (to_file(levels[-1]) + SUFFIX)
        if os.path.lexists(self.path):
            raise FileExistsError(17, "it is there already", str(self.path))
        self._partial = self.path.with_name(self.path.name + PARTIAL)
        # Left by an export that was cut off: it is ours, and it is not whole.
        self._partial.unlink(missing_ok=True)
        self._file = new_file(self._partial)

    def has(self, message: Outgoing) -> bool:
        """A file that is not whole is written anew."""
        return False

    def put(self, message: Outgoing) -> None:
        """All of it or, when its octets cannot be had, nothing."""
        start = self._file.tell()
        try:
            self._put(message)
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise

    def _put(self, message: Outgoing) -> None:
        write = self._file.write
        as_lf = is_canonical(message.chunks())
        write(from_line(message.received_at))
        last = _last_octet(message.chunks)
        write(
            status_lines(flags=message.flags, keywords=message.keywords, kept=not as_lf, is_open=last != b"\n")
        )
        for block in quoted(to_lf(message.chunks()) if as_lf else message.chunks()):
            write(block)
        write(b"\n" if last == b"\n" else b"\n\n")

    def finish(self) -> None:
        """Whole and durable, under its own name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        place_new(self._partial, self.path)

    def give_up(self) -> None:
        self._file.close()


def _last_octet(chunks: Chunks) -> bytes:
    last = b""
    for chunk in chunks():
        last = chunk[-1:] or last
    return last
