"""Reads mail out of mbox files, of any size, in one pass that looks for From_ lines and one for each message.

Content-Length is not believed: a wrong one would swallow the messages behind it. A file, or a folder of them: the name
of a file is the mailbox's, its ``.mbox`` taken off; below a folder, also one called ``Work.sbd`` (Thunderbird) or
``Work.mbox`` (Apple Mail, which keeps the messages in ``Work.mbox/mbox``), lie its inferiors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from xtramail.mailbox.transfer.entries import WHOLE, Chunks, Entry, Folder, Found, LeftOut, Trouble, readable
from xtramail.mailbox.transfer.folder_names import from_file
from xtramail.mailbox.transfer.line_ends import canonical
from xtramail.mailbox.transfer.mbox_lines import FROM, MOST_FROM, date_of, is_from_line, unquoted
from xtramail.mailbox.transfer.mbox_status import MOST_HEADER, Status, taken_off
from xtramail.mailbox.transfer.tree import Directory, pieces, why
from xtramail.store.mailbox_names import MAX_DEPTH

SUFFIX = ".mbox"
_PASSED_OVER = (".msf", ".dat", ".lock", ".json", ".jsonl", ".partial", ".html", "table_of_contents")
"""What mail programs keep beside their mbox files."""


@dataclass(frozen=True, slots=True)
class Region:
    """One message: its From_ line, and where its octets begin and end, the empty line behind them left out."""

    line: bytes
    start: int
    end: int
    cut: bool
    """It ends with the file, and not with a line's end."""


def begins_as_mbox(head: bytes) -> bool:
    """Of the first octets of a file."""
    return head.lstrip(b"\r\n").startswith(FROM)


def read_file(file: BinaryIO, levels: tuple[str, ...], place: str) -> Iterator[Entry]:
    """Everything in one mbox."""
    before = os.fstat(file.fileno())
    head = os.pread(file.fileno(), 4096, 0)
    skipped = len(head) - len(head.lstrip(b"\r\n"))
    if before.st_size and skipped == len(head) and before.st_size > len(head):
        yield Trouble(place, "no mbox: it begins with nothing but empty lines", before.st_size)
        return
    yield Folder(levels, place)
    number = 0
    start = skipped
    if head[skipped:] and not begins_as_mbox(head):
        start = _first_from(file, before.st_size)
        yield Trouble(place, "no mbox: it does not begin with a From_ line (\"From ann@example.org Sat Nov 21 "
                      f"18:44:05 2026\"); {start} octets before the first one were passed over", start)  # fmt: skip
    for region in regions(file, start):
        number += 1
        yield from _message(file, region, levels, f"{place}, message {number} (octet {region.start})")
    after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        yield Trouble(place, "it changed while it was read; run this again when nobody writes it")


def _message(file: BinaryIO, region: Region, levels: tuple[str, ...], place: str) -> Iterator[Entry]:
    octets = region.end - region.start + len(region.line)
    head = b"".join(pieces(file, region.start, min(region.end, region.start + MOST_HEADER)))
    status, rest = taken_off(head)
    if not status.is_mail:
        yield LeftOut(octets)
        return
    if status.kept is None:
        # Lines may have been taken out of the middle: what is left of the first octets, and the file behind them.
        front, start = rest, region.start + len(head)
    else:
        front, start = b"", region.start + len(head) - len(rest)
    end = region.end - (1 if status.is_open and region.end > start else 0)
    yield Found(
        levels=levels,
        place=place,
        octets=octets,
        chunks=_chunks(file, front, start, end, status),
        flags=status.flags,
        keywords=status.keywords,
        received_at=date_of(region.line),
        doubt="its last line has no end: the file may be cut off" if region.cut and not status.is_open else "",
    )


def _chunks(file: BinaryIO, front: bytes, start: int, end: int, status: Status) -> Chunks:
    def octets() -> Iterator[bytes]:
        if front:
            yield front
        yield from pieces(file, start, end)

    def chunks() -> Iterator[bytes]:
        text = unquoted(octets())
        if status.kept:
            return text
        return canonical(text)

    return chunks


def regions(file: BinaryIO, start: int, block: int = WHOLE) -> Iterator[Region]:
    """The messages from ``start`` on, where a From_ line begins. Nothing of the file is kept but a block, which has
    room for that line."""
    descriptor = file.fileno()
    size = os.fstat(descriptor).st_size
    if start >= size:
        return
    base, data = start, os.pread(descriptor, block, start)
    end = data.find(b"\n")
    line = data[:end] if end >= 0 else data
    begin = base + len(line) + 1
    at = len(line)
    while True:
        found = data.find(b"\nFrom ", at)
        # Enough behind it to see its whole line, unless the file ends there.
        if (found < 0 or len(data) - found < MOST_FROM + 2) and base + len(data) < size:
            keep = max((found if found >= 0 else len(data) - len(b"\nFrom ")) - 2, 0)
            more = os.pread(descriptor, block, base + len(data))
            if not more:
                size = base + len(data)
                continue
            data, base, at = data[keep:] + more, base + keep, max(at - keep, 0)
            continue
        if found < 0:
            break
        stop = data.find(b"\n", found + 1, found + 1 + MOST_FROM)
        next_line = data[found + 1 : stop] if stop >= 0 else data[found + 1 : found + 1 + MOST_FROM]
        blank = 1 if data[found - 1 : found] == b"\n" else 2 if data[found - 2 : found] == b"\n\r" else 0
        at = found + 1
        if not is_from_line(next_line, after_blank=blank > 0) or (stop < 0 and base + len(data) < size):
            continue
        yield Region(line, begin, max(base + found + 1 - blank, begin), cut=False)
        line, begin = next_line, base + found + 1 + len(next_line) + 1
        at = found + 1 + len(next_line)
    yield _last(descriptor, line, min(begin, size), size)


def _last(descriptor: int, line: bytes, begin: int, size: int) -> Region:
    tail = os.pread(descriptor, 4, max(size - 4, begin))
    blank = 0
    if tail.endswith(b"\n\n") or tail == b"\n":
        blank = 1
    elif tail.endswith(b"\n\r\n") or tail == b"\r\n":
        blank = 2
    return Region(line, begin, size - blank, cut=bool(tail) and not tail.endswith(b"\n"))


def _first_from(file: BinaryIO, size: int) -> int:
    """Where the first From_ line begins; ``size`` when there is none."""
    at, held = 0, b""
    while block := os.pread(file.fileno(), WHOLE, at):
        data = held + block
        begin = at - len(held)
        found = -1
        while (found := data.find(b"\nFrom ", found + 1)) >= 0:
            stop = data.find(b"\n", found + 1, found + 1 + MOST_FROM)
            line = data[found + 1 : stop if stop >= 0 else found + 1 + MOST_FROM]
            if is_from_line(line, after_blank=data[:found].endswith((b"\n", b"\n\r"))):
                return begin + found + 1
        held = data[-MOST_FROM - 8 :]
        at += len(block)
    return size


def read_folder(folder: Directory, levels: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Every mbox in a folder and below it."""
    for name in folder.names():
        place = folder.path(name)
        kind = folder.kind(name)
        if name.startswith(".") or (kind == "file" and name.lower().endswith(_PASSED_OVER)):
            # Beside the mail, never mail.
            continue
        try:
            level = from_file(name.removesuffix(SUFFIX) if kind == "file" else _folder_stem(name))
            below = levels if level == "mbox" and kind == "file" and levels else (*levels, level)
            if kind == "folder" and len(levels) < MAX_DEPTH:
                with folder.folder(name) as inner:
                    yield from read_folder(inner, below)
            elif kind == "file":
                with folder.open(name) as file:
                    yield from read_file(file, below, place)
            else:
                yield Trouble(place, not_read("deep" if kind == "folder" else kind), folder.size(name))
        except ValueError as error:
            yield Trouble(readable(place), str(error), folder.size(name))
        except OSError as error:
            yield Trouble(place, f"cannot be read: {why(error)}", folder.size(name))


def not_read(kind: str) -> str:
    """Why something that is no file, or a folder where a message should be, is passed over."""
    return {
        "folder": "a folder, and not a message",
        "link": "a symbolic link, which is not followed; name the folder it leads to",
        "special": "neither a file nor a folder",
        "gone": "it went while this was read; run this again",
    }.get(kind, "folders lie too deep")


def _folder_stem(name: str) -> str:
    for end in (".sbd", SUFFIX):
        if name.endswith(end) and name != end:
            return name.removesuffix(end)
    return name
