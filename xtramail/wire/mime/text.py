"""The decoded text of a message: what SEARCH looks at, and the preview.

Owns content transfer decoding and the budget of text. Which octets belong to a part is ``scanner``'s.
"""

from __future__ import annotations

import binascii
from typing import Final

from xtramail.wire.mime import limits
from xtramail.wire.mime.charset import decode
from xtramail.wire.mime.html_text import html_to_text
from xtramail.wire.mime.quoted_printable import decode_quoted_printable

_BASE64_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64_ALPHABET))


def decode_transfer(octets: bytes, encoding: bytes) -> bytes:
    """Content transfer encoding removed (RFC 2045 §6); broken or unknown encodings give what can be had."""
    if encoding == b"quoted-printable":
        return decode_quoted_printable(octets)
    if encoding == b"base64":
        try:
            return binascii.a2b_base64(octets)
        except binascii.Error:
            clean = octets.translate(None, _NOT_BASE64)
            # One character over holds no octet.
            clean = clean[: len(clean) - (len(clean) % 4 == 1)]
            return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
    return octets


class TextCollector:
    """Takes the text parts in order and keeps what fits."""

    __slots__ = ("_encoded_left", "_held", "_html", "_pieces", "_plain", "_text_left")

    def __init__(self) -> None:
        self._encoded_left = limits.ENCODED_TEXT_OCTETS
        self._text_left = limits.TEXT_OCTETS
        self._held: list[bytes] = []
        self._pieces: list[str] = []
        self._plain = ""
        """Text of the first text/plain part that is no attachment, for the preview."""
        self._html = ""

    @property
    def wants_more(self) -> bool:
        return self._encoded_left > 0 and self._text_left > 0

    def hold(self, octets: bytes) -> None:
        """Octets of the part that is being read, still encoded."""
        octets = octets[: self._encoded_left]
        self._held.append(octets)
        self._encoded_left -= len(octets)

    def end_part(self, *, encoding: bytes, charset: str, subtype: bytes, is_attachment: bool) -> None:
        """Decode what was held as one part."""
        if not self._held:
            return
        octets = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held = []
        text = decode(decode_transfer(octets, encoding), charset)
        if subtype == b"html":
            text = html_to_text(text)
            if not self._html and not is_attachment:
                self._html = text[:1000]
        elif not self._plain and not is_attachment:
            self._plain = text[:1000]
        self.add(text)

    def drop_part(self) -> None:
        """Forget what was held."""
        self._held = []

    def add(self, text: str) -> None:
        """Decoded text that is searched too: file names, headers of messages inside."""
        if not text or self._text_left <= 0:
            return
        if text.isascii():
            text = text[: self._text_left]
            octets = len(text)
        else:
            encoded = text[: self._text_left].encode("utf-8", "replace")
            octets = len(encoded)
            if octets > self._text_left:
                text = encoded[: self._text_left].decode("utf-8", "ignore")
                octets = self._text_left
        self._pieces.append(text)
        self._text_left -= octets + 1

    def search_text(self) -> str:
        """All of it, one part a paragraph, at most ``limits.TEXT_OCTETS`` of UTF-8."""
        return "\n".join(self._pieces)

    def preview(self) -> str:
        """First words, white space collapsed, at most ``limits.PREVIEW_CHARACTERS``; plain text before HTML."""
        for text in (self._plain, self._html):
            words = " ".join(text[: 2 * limits.PREVIEW_CHARACTERS].split())
            if len(words) <= limits.PREVIEW_CHARACTERS:
                words = " ".join(text.split())
            if words:
                return words[: limits.PREVIEW_CHARACTERS].rstrip()
        return ""
