"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3) to text and back, and which clients want UTF-8.

Owns the encoding alone; which names may exist is ``names``' and the store's.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from enum import Enum
from functools import lru_cache

# mUTF7: printable US-ASCII but "&" stands for itself; "&" base64 "-" is UTF-16BE with "," for "/", without padding.
_PIECE = re.compile(rb"([\x20-\x25\x27-\x7e]+)|&([A-Za-z0-9+,]*)-")
_RUN = re.compile(r"[\x20-\x25\x27-\x7e]+|&|[^\x20-\x7e]+")


class Spelling(Enum):
    """How a client and we write mailbox names to each other."""

    UTF7 = "modified UTF-7"
    UTF8 = "UTF-8"
    """Since ENABLE UTF8=ACCEPT (RFC 6855 §3); "&" is then a letter like any other."""


@lru_cache(maxsize=1024)
def encode_mailbox(name: str) -> bytes:
    """Text to modified UTF-7; UnicodeEncodeError for lone surrogates."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    pieces: list[bytes] = []
    for run in _RUN.findall(name):
        if run == "&":
            pieces.append(b"&-")
        elif " " <= run[0] <= "~":
            pieces.append(run.encode("ascii"))
        else:
            encoded = b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
            pieces.append(b"&" + encoded + b"-")
    return b"".join(pieces)


@lru_cache(maxsize=1024)
def decode_mailbox(octets: bytes) -> str:
    """Modified UTF-7 to text. ValueError unless encoding the text again gives the same octets: a name has one spelling
    only, so nobody can make two mailboxes that look alike (RFC 3501 §5.1.3, third paragraph)."""
    if octets.isascii() and b"&" not in octets:
        text = octets.decode("ascii")
        if not text.isprintable():
            raise ValueError("mailbox name has control characters")
        return text
    pieces: list[str] = []
    at = 0
    while at < len(octets):
        match = _PIECE.match(octets, at)
        if match is None:
            raise ValueError("mailbox name is not modified UTF-7")
        at = match.end()
        plain, shifted = match.groups()
        if plain is not None:
            pieces.append(plain.decode("ascii"))
        elif not shifted:
            pieces.append("&")
        else:
            pieces.append(_shifted(shifted))
    text = "".join(pieces)
    if encode_mailbox(text) != octets:
        raise ValueError("mailbox name is not in the one form modified UTF-7 allows")
    return text


def _shifted(encoded: bytes) -> str:
    padded = encoded.replace(b",", b"/") + b"=" * (-len(encoded) % 4)
    try:
        return b64decode(padded, validate=True).decode("utf-16-be")
    except (Base64Error, UnicodeDecodeError):
        raise ValueError("mailbox name is not modified UTF-7") from None
