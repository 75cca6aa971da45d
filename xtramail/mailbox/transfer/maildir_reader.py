"""Reads mail out of Maildirs: one with Maildir++ folders (``.Work.Rome``), or a tree of them as mbsync keeps it.

The flags of a message are in its file's name, its keywords are letters there that the folder's ``dovecot-keywords``
explains, its INTERNALDATE is when the file was changed. A file is read as ``line_ends`` says, but where its name tells
that it has as many octets as its message (``S=`` and ``W=``, Maildir++ as Dovecot writes it) it is taken as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

from xtramail.mailbox.transfer.entries import WHOLE, Chunks, Entry, Folder, Found, Trouble
from xtramail.mailbox.transfer.folder_names import from_maildir, maildir_level
from xtramail.mailbox.transfer.line_ends import canonical
from xtramail.mailbox.transfer.mbox_reader import not_read
from xtramail.mailbox.transfer.tree import Directory, pieces, why
from xtramail.model.flags import Flag
from xtramail.store.mailbox_names import MAX_DEPTH

KEYWORDS_FILE = "dovecot-keywords"
FORWARDED = "$Forwarded"
LETTERS = {
    "D": Flag.DRAFT, "F": Flag.FLAGGED, "R": Flag.ANSWERED, "S": Flag.SEEN, "T": Flag.DELETED,
}  # fmt: skip
_MAIL = ("cur", "new")
_NO_FOLDERS = ("cur", "new", "tmp")
_SIZES = re.compile(r",S=(\d{1,12})(?:,W=(\d{1,12}))?(?=[,:!;]|$)")
_NUMBER = re.compile(r"\d+")
_MOST_KEYWORDS_FILE = 64 * 1024


def is_maildir(folder: Directory) -> bool:
    """Whether messages may lie in it."""
    return any(map(folder.has_folder, _MAIL))


def read_folder(folder: Directory, levels: tuple[str, ...] = (), depth: int = 0) -> Iterator[Entry]:
    """Every message in a Maildir and the Maildirs below it."""
    if is_maildir(folder):
        yield Folder(levels, folder.place)
        yield from _messages(folder, levels)
    for name in folder.names():
        kind = folder.kind(name)
        if kind != "folder":
            if kind == "link":
                yield Trouble(folder.path(name), not_read(kind))
            continue
        if name in _NO_FOLDERS and is_maildir(folder):
            continue
        place = folder.path(name)
        try:
            if depth >= MAX_DEPTH:
                raise ValueError(not_read("deep"))
            below = from_maildir(name) if name.startswith(".") else (maildir_level(name),)
            with folder.folder(name) as inner:
                # Programs keep other folders of theirs beside the mail; those hold no Maildir.
                yield from read_folder(inner, (*levels, *below), depth + 1)
        except ValueError as error:
            yield Trouble(place, str(error))
        except OSError as error:
            yield Trouble(place, f"cannot be read: {why(error)}")


def _messages(folder: Directory, levels: tuple[str, ...]) -> Iterator[Entry]:
    table = _keyword_table(folder)
    with ExitStack() as opened:
        both: dict[str, Directory] = {}
        for name in _MAIL:
            try:
                both[name] = opened.enter_context(folder.folder(name))
            except FileNotFoundError:
                continue
            except OSError as error:
                yield Trouble(folder.path(name), f"cannot be read: {why(error)}")
        files = [(name, inner) for inner in both.values() for name in inner.names() if not name.startswith(".")]
        # By arrival, which the number at the front of a name tells.
        for name, inner in sorted(files, key=_by_arrival):
            try:
                file = inner.open(name)
            except OSError as error:
                yield Trouble(inner.path(name), _why_not(inner, name, error))
                continue
            with file:
                yield _message(file, inner.path(name), name, levels, table)


def _by_arrival(one: tuple[str, Directory]) -> tuple[int, str]:
    number = _NUMBER.match(one[0])
    return int(number[0][:15]) if number is not None else 0, one[0]


def _why_not(folder: Directory, name: str, error: OSError) -> str:
    kind = folder.kind(name)
    return f"cannot be read: {why(error)}" if kind == "file" else not_read(kind)


def _message(
    file: BinaryIO, place: str, name: str, levels: tuple[str, ...], table: dict[str, str]
) -> Found:
    status = os.fstat(file.fileno())
    base, _, letters = name.partition(":2,")
    flags = Flag(0)
    keywords = []
    for letter in letters.partition(",")[0]:
        flags |= LETTERS.get(letter, Flag(0))
        if letter == "P":
            keywords.append(FORWARDED)
        elif letter in table:
            keywords.append(table[letter])
    told = _SIZES.search(base)
    size, virtual = (int(told[1]), int(told[2] or 0)) if told is not None else (status.st_size, 0)
    cut = size > status.st_size
    return Found(
        levels=levels,
        place=place,
        octets=status.st_size,
        chunks=_chunks(file, status.st_size, as_it_is=size == virtual == status.st_size),
        flags=flags,
        keywords=tuple(dict.fromkeys(keywords)),
        received_at=int(status.st_mtime),
        doubt=f"its name says {size} octets, and it has {status.st_size}: it is cut off" if cut else "",
    )


def _chunks(file: BinaryIO, size: int, *, as_it_is: bool) -> Chunks:
    def chunks() -> Iterator[bytes]:
        octets = pieces(file, 0, size)
        return octets if as_it_is else canonical(octets)

    return chunks


def _keyword_table(folder: Directory) -> dict[str, str]:
    """Letter to keyword; empty where nothing explains them."""
    try:
        with folder.open(KEYWORDS_FILE) as file:
            text = b"".join(pieces(file, 0, min(_MOST_KEYWORDS_FILE, WHOLE))).decode("utf-8", "replace")
    except OSError:
        return {}
    table = {}
    for line in text.splitlines():
        number, _, name = line.strip().partition(" ")
        if number.isascii() and number.isdecimal() and int(number[:4]) < 26 and name:
            table[chr(ord("a") + int(number[:4]))] = name
    return table
