"""Encoded words of RFC 2047 in header values, and header octets to text (RFC 6532 raw UTF-8 included).

Owns decoding for people: search text, subject, file names. ENVELOPE keeps encoded words as they are.
"""

from __future__ import annotations

import binascii
import re

from xtramail.wire.mime import limits
from xtramail.wire.mime.charset import decode, decode_unlabelled

# RFC 2047 §2: encoded-word = "=?" charset "?" encoding "?" encoded-text "?="; RFC 2231 §5 adds "*" language to charset.
# Spaces inside are forbidden, but widely sent, so encoded-text may hold them.
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")


def decode_value(value: bytes) -> str:
    """A header value as text: UTF-8 or a one-byte charset outside encoded words, those decoded."""
    text = decode_unlabelled(value)
    return decode_words(text) if "=?" in text else text


def decode_words(text: str) -> str:
    """``text`` with its first ``limits.ENCODED_WORDS`` encoded words decoded; space between two words goes (§6.2).

    Neighbouring words of one charset are joined before decoding: many senders cut a character in two (against §5).
    """
    pieces: list[str] = []
    pending: list[bytes] = []
    pending_charset = ""
    at = 0
    for count, match in enumerate(_WORD.finditer(text)):
        if count == limits.ENCODED_WORDS:
            break
        octets = _word_octets(match[2], match[3])
        if octets is None:
            continue
        charset = match[1].partition("*")[0].lower()
        between = text[at : match.start()]
        adjacent = bool(pending) and (not between or between.isspace())
        if adjacent and charset == pending_charset:
            pending.append(octets)
        else:
            if pending:
                pieces.append(decode(b"".join(pending), pending_charset))
            if not adjacent:
                pieces.append(between)
            pending = [octets]
            pending_charset = charset
        at = match.end()
    if pending:
        pieces.append(decode(b"".join(pending), pending_charset))
    pieces.append(text[at:])
    return "".join(pieces)


def _word_octets(encoding: str, encoded: str) -> bytes | None:
    """None where the word is no encoded word after all, so stays as it is."""
    if not encoded.isascii():
        return None
    if encoding in "qQ":
        # RFC 2047 §4.2: "_" is a space. a2b_qp would take a space at the end for padding, hence the escape.
        return binascii.a2b_qp(encoded.replace("_", "=20").encode("ascii"), header=False)
    try:
        return binascii.a2b_base64(encoded.encode("ascii") + b"==")
    except binascii.Error:
        return None
