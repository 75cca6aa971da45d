"""Finds folded octets in the texts that were laid down for searching, in the store's own pages.

Owns what a needle in the header, the text or anywhere means for texts that lie in several rows. Exact: no needle is
missed because it lies across two rows, and none is found that lies across header and text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stringzilla import find

from xtramail.store.engine import Octets
from xtramail.store.search_texts import Pieces, bounds

Finder = Callable[[Pieces], bool]

_SEAM = 4096
"""Needles longer than this are sought in the rows put together, which costs a copy; nobody types them."""


def anywhere(needle: bytes) -> Finder:
    """In the header, decoded, or in the text."""
    if b"\n" in needle:
        in_header, in_text = _within_header(needle), in_text_of(needle)
        return lambda pieces: in_header(pieces[0]) or in_text(pieces)

    def fits(pieces: Pieces) -> bool:
        first = pieces[0]
        # In most it is nowhere, and that is told without knowing what lies where.
        if find(first, needle) >= 0 and find(first, needle, bounds(first).header_at) >= 0:
            return True
        return len(pieces) > 1 and _further(pieces, needle)

    return fits


def in_text_of(needle: bytes) -> Finder:
    """In the text: what BODY asks for."""

    def fits(pieces: Pieces) -> bool:
        first = pieces[0]
        if find(first, needle) >= 0 and find(first, needle, bounds(first).text_at) >= 0:
            return True
        return len(pieces) > 1 and _further(pieces, needle)

    return fits


def in_field_of(name: str, needle: bytes) -> Finder:
    """In the value of a field of this name (lower case), without the white space before it."""
    if b"\n" in needle:
        # No value has one: it was unfolded.
        return lambda pieces: False
    field = re.escape(name.encode("utf-8", "replace"))
    search = re.compile(rb"\n" + field + rb"[ \t]*:[ \t]*+[^\n]*?" + re.escape(needle)).search

    def fits(pieces: Pieces) -> bool:
        first = pieces[0]
        if find(first, needle) < 0:
            return False
        start, _, end = bounds(first)
        return find(first, needle, start, end) >= 0 and search(first, start, end) is not None

    return fits


def _within_header(needle: bytes) -> Callable[[Octets], bool]:
    def fits(first: Octets) -> bool:
        start, _, end = bounds(first)
        return bool(find(first, needle, start, end) >= 0)

    return fits


def _further(pieces: Pieces, needle: bytes) -> bool:
    """In the rows behind the first, which has no text where there are others."""
    if len(pieces) == 2:
        return bool(find(pieces[1], needle) >= 0)
    if len(needle) > _SEAM:
        return b"".join(pieces[1:]).find(needle) >= 0
    reach = len(needle) - 1
    before: Octets = b""
    for piece in pieces[1:]:
        if find(piece, needle) >= 0 or (bytes(before) + bytes(piece[:reach])).find(needle) >= 0:
            return True
        before = piece[max(0, len(piece) - reach) :]
    return False
