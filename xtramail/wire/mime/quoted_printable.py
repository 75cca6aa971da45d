"""Quoted-printable taken off (RFC 2045 §6.7); broken input gives what can be had."""

from __future__ import annotations

import binascii
from typing import Final

_BLANKS: Final = b" \t"


def decode_quoted_printable(octets: bytes) -> bytes:
    """``octets`` begin and end where lines do.

    White space at the end of a line was added on the way and goes, also behind the ``=`` of a soft line break
    (RFC 2045 §6.7 rule 3); ``binascii`` leaves it.
    """
    if octets.endswith((b" ", b"\t")) or _has_blank_ends(octets):
        octets = b"\n".join([_bare(line) for line in octets.split(b"\n")])
    return binascii.a2b_qp(octets)


def _has_blank_ends(octets: bytes) -> bool:
    if b" \r\n" in octets or b" \n" in octets:
        return True
    return b"\t" in octets and (b"\t\r\n" in octets or b"\t\n" in octets)


def _bare(line: bytes) -> bytes:
    if line.endswith(b"\r"):
        return line[:-1].rstrip(_BLANKS) + b"\r"
    return line.rstrip(_BLANKS)
