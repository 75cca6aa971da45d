"""What mail programs write into the header of a message in an mbox: flags and keywords, and how we wrote the message.

Ours are lines at the top, the first of them ``X-Xtramail-Kept``; they are taken off again as they were put there, and
what the message itself has of such lines stays. In a file without it, ``Status``, ``X-Status``, ``X-Keywords``,
``X-UID``, ``X-IMAPbase`` and ``X-Mozilla-*`` are the file's wherever they stand in a header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xtramail.model.flags import Flag

MOST_HEADER = 256 * 1024
"""Octets of a header in which such lines are looked for."""

_OURS = re.compile(
    rb"X-Xtramail-Kept: lines=(lf|kept); end=(line|open)\r?\nStatus: (R?)O\r?\nX-Status: ([AFDT]*)\r?\n"
    rb"X-Keywords: ?([^\r\n]*)\r?\n"
)
_THEIRS = re.compile(
    rb"(?im)^(Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase|X-Mozilla-Status2?|X-Mozilla-Keys):"
    rb"([^\n]*\n(?:[ \t][^\n]*\n)*)"
)
_HEADER_END = re.compile(rb"\n\r?\n")
_LETTERS = {b"A": Flag.ANSWERED, b"F": Flag.FLAGGED, b"D": Flag.DELETED, b"T": Flag.DRAFT}
_INTERNAL = b"FOLDER INTERNAL DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``kept``: the lines are as they were, whatever they end in; None where it is not said. ``is_open``: the last
    line of the message has no end. ``is_mail``: False for what a program keeps for itself or has deleted."""

    flags: Flag
    keywords: tuple[str, ...]
    kept: bool | None = None
    is_open: bool = False
    is_mail: bool = True


def status_lines(*, flags: Flag, keywords: tuple[str, ...], kept: bool, is_open: bool) -> bytes:
    letters = b"".join(letter for letter, flag in _LETTERS.items() if flags & flag)
    return (
        b"X-Xtramail-Kept: lines=%b; end=%b\nStatus: %bO\nX-Status: %b\nX-Keywords: %b\n"
        % (
            b"kept" if kept else b"lf",
            b"open" if is_open else b"line",
            b"R" if flags & Flag.SEEN else b"",
            letters,
            " ".join(keywords).encode("utf-8"),
        )
    )


def taken_off(head: bytes) -> tuple[Status, bytes]:
    """Of a message's first octets: what those lines say, and the octets without them.

    ``head`` ends with the message or has :data:`MOST_HEADER` octets.
    """
    ours = _OURS.match(head)
    if ours is not None:
        lines, end, seen, letters, keywords = ours.groups()
        flags = _flags(letters) | (Flag.SEEN if seen else Flag(0))
        status = Status(flags=flags, keywords=_words(keywords), kept=lines == b"kept", is_open=end == b"open")
        return status, head[ours.end() :]
    end_of_header = _HEADER_END.search(head)
    header = head[: end_of_header.start() + 1] if end_of_header is not None else head
    if head.startswith((b"\n", b"\r\n")):
        header = b""
    found = {name.lower(): value.strip() for name, value in _THEIRS.findall(header)}
    if not found:
        return Status(flags=Flag(0), keywords=()), head
    status = _status_of(found, header)
    return status, _THEIRS.sub(b"", header) + head[len(header) :]


def _status_of(found: dict[bytes, bytes], header: bytes) -> Status:
    flags = _flags(found.get(b"x-status", b""))
    if b"R" in found.get(b"status", b""):
        flags |= Flag.SEEN
    keywords = _words(found.get(b"x-keywords", b"") + b" " + found.get(b"x-mozilla-keys", b""))
    try:
        mozilla = int(found.get(b"x-mozilla-status", b"0"), 16)
    except ValueError:
        mozilla = 0
    # nsMsgMessageFlags: read, replied, marked, expunged (until the folder is compacted), forwarded.
    for bit, flag in ((0x1, Flag.SEEN), (0x2, Flag.ANSWERED), (0x4, Flag.FLAGGED)):
        flags |= flag if mozilla & bit else Flag(0)
    if mozilla & 0x1000:
        keywords += ("$Forwarded",)
    is_mail = not mozilla & 0x8 and not (b"x-imap" in found and _INTERNAL in header)
    return Status(flags=flags, keywords=keywords, is_mail=is_mail)


def _flags(letters: bytes) -> Flag:
    flags = Flag(0)
    for letter, flag in _LETTERS.items():
        if letter in letters:
            flags |= flag
    return flags


def _words(text: bytes) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.decode("utf-8", "replace").split()))
