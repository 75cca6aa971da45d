"""What is found among files of mail, and what is written into them: the words between formats and mailboxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from xtramail.model.flags import Flag

Format = Literal["mbox", "maildir", "eml"]
FORMATS: tuple[Format, ...] = get_args(Format)

CHUNK = 256 * 1024
"""Octets read from a file at once."""

WHOLE = 1 << 20
"""Up to so many octets a message is held in one piece; larger ones pass in chunks, twice."""

Chunks = Callable[[], Iterator[bytes]]
"""A message's octets in pieces; may be asked for more than once."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox is there, perhaps empty. ``levels``: its name, a string a level; none is the top of the files."""

    levels: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message. ``chunks`` are good until the next entry is asked for; they may raise OSError."""

    levels: tuple[str, ...]
    place: str
    """Where it lies, for people."""
    octets: int
    """Of the file that it takes up: for progress."""
    chunks: Chunks
    flags: Flag = Flag(0)
    keywords: tuple[str, ...] = ()
    received_at: int | None = None
    """Seconds since 1970; None: as its own header says."""
    doubt: str = ""
    """What may be wrong with it, though it can be taken."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something could not be taken, or only with a doubt. ``octets``: passed over, for progress."""

    place: str
    text: str
    octets: int = 0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A message that its own program has deleted, or keeps for itself."""

    octets: int


Entry = Folder | Found | LeftOut | Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way into files."""

    uid: int
    uidvalidity: int
    received_at: int
    size: int
    chunks: Chunks
    flags: Flag = Flag(0)
    keywords: tuple[str, ...] = ()


def readable(name: str | bytes) -> str:
    """A file's name for people, whatever octets it has."""
    octets = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    return octets.decode("utf-8", "backslashreplace")
