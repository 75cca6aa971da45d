"""Reads mail out of folders of EML files: a file a message, a folder a mailbox.

What we wrote ourselves (``messages.jsonl`` names it) is taken as it is, with flags, keywords and date. Of any other
file lines end as ``line_ends`` says, and the message came when its topmost Received says, else its Date, else when the
file was changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from xtramail.mailbox.transfer.eml_index import Line, read_index
from xtramail.mailbox.transfer.entries import Chunks, Entry, Folder, Found, Trouble
from xtramail.mailbox.transfer.folder_names import from_file
from xtramail.mailbox.transfer.header_dates import MOST_HEADER, arrival_of
from xtramail.mailbox.transfer.line_ends import canonical
from xtramail.mailbox.transfer.mbox_reader import not_read
from xtramail.mailbox.transfer.tree import Directory, pieces, why
from xtramail.model.flags import Flag
from xtramail.store.mailbox_names import MAX_DEPTH

SUFFIX = ".eml"


def is_eml(name: str) -> bool:
    return name.lower().endswith(SUFFIX) and not name.startswith(".")


def read_file(file: BinaryIO, levels: tuple[str, ...], place: str, line: Line | None = None) -> Found:
    """One message; ``line`` is what its folder's index says of it."""
    status = os.fstat(file.fileno())
    size = status.st_size
    doubt = ""
    if line is not None and line.octets != size:
        doubt = f"it was written with {line.octets} octets, and it has {size}"
    received = line.received if line is not None else arrival_of(b"".join(pieces(file, 0, min(size, MOST_HEADER))))
    return Found(
        levels=levels,
        place=place,
        octets=size,
        chunks=_chunks(file, size, as_it_is=line is not None),
        flags=line.bits() if line is not None else Flag(0),
        keywords=line.keywords if line is not None else (),
        received_at=received if received is not None else int(status.st_mtime),
        doubt=doubt,
    )


def _chunks(file: BinaryIO, size: int, *, as_it_is: bool) -> Chunks:
    def chunks() -> Iterator[bytes]:
        octets = pieces(file, 0, size)
        return octets if as_it_is else canonical(octets)

    return chunks


def read_folder(folder: Directory, levels: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Every EML file in a folder and below it."""
    yield Folder(levels, folder.place)
    index, bad = read_index(folder)
    if bad:
        yield Trouble(folder.path("messages.jsonl"), f"{bad} lines cannot be read; flags and dates in them are lost")
    names = folder.names()
    for name in names:
        place, kind = folder.path(name), folder.kind(name)
        try:
            if kind == "folder" and not name.startswith("."):
                if len(levels) >= MAX_DEPTH:
                    raise ValueError(not_read("deep"))
                with folder.folder(name) as inner:
                    yield from read_folder(inner, (*levels, from_file(name)))
            elif kind == "file" and is_eml(name):
                with folder.open(name) as file:
                    yield read_file(file, levels, place, index.get(name))
            elif kind in ("link", "special", "gone") and not name.startswith("."):
                yield Trouble(place, not_read(kind))
        except ValueError as error:
            yield Trouble(place, str(error), folder.size(name))
        except OSError as error:
            yield Trouble(place, f"cannot be read: {why(error)}", folder.size(name))
    for name in sorted(index.keys() - set(names)):
        yield Trouble(folder.path(name), "it was written, says messages.jsonl, and is not there")
