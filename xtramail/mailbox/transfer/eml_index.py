"""What EML files cannot say of their messages: one line of JSON for each in ``messages.jsonl`` beside them.

Flags, keywords and INTERNALDATE of a message that we wrote ourselves; files of other programs have no such lines.
"""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from xtramail.mailbox.transfer.entries import CHUNK, Outgoing
from xtramail.mailbox.transfer.tree import Directory
from xtramail.model.clock import utc_text
from xtramail.model.flags import FLAG_BY_NAME, FLAG_NAMES, Flag

NAME = "messages.jsonl"
_MOST_LINE = 64 * 1024


class Line(msgspec.Struct, frozen=True):
    """``received`` seconds since 1970; ``date`` the same for people; ``octets`` of the file."""

    file: str
    octets: int
    received: int
    date: str
    flags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    def bits(self) -> Flag:
        found = Flag(0)
        for name in self.flags:
            found |= FLAG_BY_NAME.get(name.lower().encode("utf-8", "replace"), Flag(0))
        return found


_decoder = msgspec.json.Decoder(Line)


def line_of(file: str, message: Outgoing) -> bytes:
    """With its line's end."""
    flags = tuple(name.decode("ascii") for flag, name in FLAG_NAMES if message.flags & flag)
    line = Line(
        file=file,
        octets=message.size,
        received=message.received_at,
        date=_date(message.received_at),
        flags=flags,
        keywords=message.keywords,
    )
    return msgspec.json.encode(line) + b"\n"


def _date(seconds: int) -> str:
    try:
        return utc_text(seconds)
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def read_index(folder: Directory) -> tuple[dict[str, Line], int]:
    """Lines by file, and how many cannot be read. Takes memory by the number of files."""
    try:
        file = folder.open(NAME)
    except OSError:
        return {}, 0
    lines: dict[str, Line] = {}
    bad = 0
    with file:
        for text in _lines(file):
            try:
                line = _decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                bad += 1
                continue
            lines[line.file] = line
    return lines, bad


def _lines(file: BinaryIO) -> list[bytes]:
    """Whole lines of bounded length; of a longer one its first octets, which are no JSON."""
    found: list[bytes] = []
    held = b""
    while block := file.read(CHUNK):
        *whole, held = (held + block).split(b"\n")
        found += [line[:_MOST_LINE] for line in whole if line]
        held = held[:_MOST_LINE]
    # A last line without an end was cut off.
    return found + ([held + b"\0"] if held else [])
