"""New files that a command writes secrets into: 0600, never over another.

Made before the command becomes the store's owner: it may lie where only who called the command may write. He is also
who reads it. What such a file has in it is the commands' to say.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType

from xtramail.model.errors import BadInput

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class NewFile:
    """``with NewFile("csv", place) as file``: at the end it is closed, and gone where nothing was written into it."""

    def __init__(self, option: str, place: str) -> None:
        """BadInput, which names ``option``, where there is something already; OSError where none can be made."""
        self.place = place
        """As it was named."""
        self._written = False
        try:
            self._open = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            if not _is_left_over(self.place):
                raise BadInput(f"{option}: {place} is there already; name a file that is not") from None
            self._open = os.open(place, os.O_WRONLY | os.O_NOFOLLOW)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._written:
            self.discard()
        os.close(self._open)

    def write(self, lines: Iterable[str]) -> None:
        """On the disk when this returns."""
        self._written = True
        with os.fdopen(os.dup(self._open), "wb") as file:
            for line in lines:
                file.write(line.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())

    def discard(self) -> None:
        """It is gone; or empty, where the store's owner may take nothing away: the next run takes it as it is."""
        self._written = True
        os.ftruncate(self._open, 0)
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._open), os.lstat(self.place)):
                os.unlink(self.place)


def csv_text(rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells that a spreadsheet would work out get a ``'``."""
    text = io.StringIO()
    csv.writer(text).writerows([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return [text.getvalue()]


def _is_left_over(place: str) -> bool:
    """Whether it is an empty file of ours, which nobody else can open: what a command that was refused may leave."""
    status = os.lstat(place)
    private = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600 and status.st_nlink == 1
    return private and status.st_size == 0 and status.st_uid == os.geteuid()
