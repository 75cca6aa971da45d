"""Content transfer encodings taken off while octets stream past (RFC 2045 §6): what BINARY serves (RFC 3516).

Owns decoding in pieces of any cut. Broken input gives what can be had, as ``wire/mime`` does for whole texts.
"""

from __future__ import annotations

import binascii
from typing import Protocol

from xtramail.wire.mime.quoted_printable import decode_quoted_printable

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_JUNK = bytes(set(range(256)) - set(_ALPHABET))
_ESCAPE = 3
"""Octets of ``=3D``, and of a soft line break ``=CRLF``."""
_LINE = 998
"""RFC 5322 §2.1.1: no honest line is longer."""


class Decoder(Protocol):
    def feed(self, octets: bytes) -> bytes:
        """What is decided of the octets so far."""

    def finish(self) -> bytes:
        """The rest."""


class Identity:
    """7bit, 8bit, binary: nothing to take off."""

    def feed(self, octets: bytes) -> bytes:
        return octets

    def finish(self) -> bytes:
        return b""


class Base64:
    """Padding ends a run; behind it another may begin, as where two encoded texts were joined."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> bytes:
        runs = (self._held + octets.translate(None, _JUNK)).split(b"=")
        self._held = runs.pop()
        ended = b"".join([_run(run) for run in runs])
        whole = len(self._held) - len(self._held) % 4
        decided, self._held = self._held[:whole], self._held[whole:]
        return ended + binascii.a2b_base64(decided)

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return _run(held)


def _run(run: bytes) -> bytes:
    # One character over holds no octet.
    run = run[: len(run) - (len(run) % 4 == 1)]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


class QuotedPrintable:
    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._held + octets
        # Only behind a line end nothing is half said.
        cut = octets.rfind(b"\n") + 1
        if cut:
            self._held = octets[cut:]
            return decode_quoted_printable(octets[:cut])
        if len(octets) <= _LINE:
            self._held = octets
            return b""
        # An endless line: before an escape that may be cut, or white space that may be the line's end.
        cut = len(octets.rstrip(b" \t\r"))
        if len(octets) - cut > _LINE:
            cut = len(octets)
        escape = octets.rfind(b"=", max(cut - _ESCAPE, 0), cut)
        cut = escape if escape >= 0 else cut
        self._held = octets[cut:]
        return binascii.a2b_qp(octets[:cut])

    def finish(self) -> bytes:
        held, self._held = self._held, b""
        return decode_quoted_printable(held)


def decoder_of(encoding: str) -> Decoder | None:
    """``encoding`` in lower case; None for one that is not known."""
    if encoding in ("", "7bit", "8bit", "binary"):
        return Identity()
    if encoding == "base64":
        return Base64()
    if encoding == "quoted-printable":
        return QuotedPrintable()
    return None
