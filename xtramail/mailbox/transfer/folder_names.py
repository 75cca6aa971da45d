"""Names of mailboxes as names of files and folders, both ways.

mbox and EML: a folder a level, with ``%XX`` for what a file system or a format would take for something else.
Maildir++: ``.Work.Rome`` in modified UTF-7 (RFC 3501 §5.1.3), a point within a level as ``\\2e`` as Dovecot writes it.
Read leniently: names of other programs are in UTF-8, or have no escapes at all.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from xtramail.store.mailbox_names import SEPARATOR
from xtramail.wire.imap.utf7 import decode_mailbox, encode_mailbox

MOST_OCTETS = 200
"""Octets of a level in a file's name; file systems take 255, and a format puts something behind it."""

OWN_ENDS = (".mbox", ".eml", ".jsonl", ".json", ".partial", ".sbd", ".msf", ".lock", ".dat")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_MAILDIR_ESCAPED = re.compile(r"\\(2e|5c)")


def levels_of(mailbox: str) -> tuple[str, ...]:
    return tuple(mailbox.split(SEPARATOR))


def to_file(level: str) -> str:
    """A level of a mailbox's name as a file or folder is called, without the format's end."""
    text = level.replace("%", "%25")
    if text.startswith("."):
        text = "%2E" + text[1:]
    if text.lower().endswith(OWN_ENDS):
        stem, _, end = text.rpartition(".")
        text = f"{stem}%2E{end}"
    return _short(text)


def from_file(name: str) -> str:
    """The level that a file or folder is called after, the format's end taken off. ValueError when it is no text."""
    _text(name)
    return _ESCAPED.sub(lambda match: _plain(match[0], int(match[1], 16)), name)


def _plain(escaped: str, number: int) -> str:
    # Of another program's name nothing else is undone: it may hold a slash or a control character.
    return chr(number) if chr(number) in "%." else escaped


def to_maildir(levels: tuple[str, ...]) -> str:
    """``.Work.Rome``."""
    escaped = (level.replace("\\", "\\5c").replace(".", "\\2e") for level in levels)
    return _short("." + ".".join(encode_mailbox(level).decode("ascii") for level in escaped))


def from_maildir(name: str) -> tuple[str, ...]:
    """The reverse; ValueError when it is no text or has an empty level."""
    levels = tuple(maildir_level(level) for level in name[1:].split("."))
    if not all(levels):
        raise ValueError("a level of the folder's name is empty")
    return levels


def maildir_level(level: str) -> str:
    """One level, as a tree of Maildirs has it for a folder's name (mbsync, LAYOUT=fs of Dovecot). ValueError."""
    _text(level)
    try:
        text = decode_mailbox(level.encode("utf-8"))
    except ValueError:
        text = level
    return _MAILDIR_ESCAPED.sub(lambda match: "." if match[1] == "2e" else "\\", text)


def _text(name: str) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("the folder's name is not UTF-8 text; rename it") from None
    return name


def _short(text: str) -> str:
    octets = text.encode("utf-8")
    if len(octets) <= MOST_OCTETS:
        return text
    mark = blake2b(octets, digest_size=6).hexdigest()
    return octets[: MOST_OCTETS - 20].decode("utf-8", "ignore") + "~" + mark
