"""Header fields over bytes: where they are, what they say, which of them a client asked for.

Owns splitting and unfolding (RFC 5322 §2.2). A line feed alone ends a line too: APPEND can bring such mail. What the
fields mean belongs to ``address_list``, ``parameters``, ``words`` and ``dates``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import NamedTuple

from xtramail.wire.mime import limits

# A line that does not begin with white space begins a field (RFC 5322 §2.2.3).
_field_ends = re.compile(rb"\n(?![ \t])").finditer
_BLANK = re.compile(rb"[ \t\n]")


class Field(NamedTuple):
    """One field; offsets in octets from the start of the header."""

    name: bytes
    """Lower case, without white space around it; empty for a line that is no field."""
    start: int
    value_at: int
    """First octet behind the colon."""
    end: int
    """Behind the line end of its last line."""


def fields(header: bytes, *, most: int = limits.FIELDS) -> Iterator[Field]:
    """The fields of ``header`` in order, up to its empty line, at most ``most`` of them.

    Lines that are no field (no colon, or white space inside the name) come with an empty name: nothing is left out.
    """
    start = 0
    for match in _field_ends(header):
        end = match.end()
        if end - start <= 2 and header[start:end] in (b"\r\n", b"\n"):
            return
        yield _field(header, start, end)
        most -= 1
        if not most:
            return
        start = end
    if start < len(header):
        yield _field(header, start, len(header))


def _field(header: bytes, start: int, end: int) -> Field:
    colon = header.find(b":", start, end)
    name = header[start:colon].rstrip(b" \t").lower() if colon >= 0 else b""
    # "From ann Thu Nov  5 10:00:00" has a colon but is mbox, not a field.
    if colon < 0 or b" " in name or b"\n" in name or b"\t" in name:
        return Field(b"", start, start, end)
    return Field(name, start, colon + 1, end)


def select_fields(header: bytes, names: Collection[bytes], *, exclude: bool) -> bytes:
    """What ``BODY[HEADER.FIELDS (names)]`` or, with ``exclude``, ``HEADER.FIELDS.NOT`` answers (RFC 9051 §6.4.5.1).

    ``names`` in any case. The fields are exactly as stored and in order; an empty line closes them, always.
    """
    return field_selector(frozenset(name.lower() for name in names), exclude=exclude)(header)


@lru_cache(maxsize=256)
def field_selector(wanted: frozenset[bytes], *, exclude: bool) -> Callable[[bytes], bytes]:
    """:func:`select_fields` of the lower-case names ``wanted``, as a function of the header."""
    # A quoted string may be empty, and names nothing: lines that are no field have an empty name here.
    wanted -= {b""}
    if exclude:
        return lambda header: _select_slowly(header, wanted, exclude=True)
    # One pass of a pattern: a listing of ten thousand headers comes here, and a loop costs five times as much. A line
    # feed is put before the header, so that the search runs from one to the next; which names count is _field's rule.
    names = b"|".join(re.escape(name) for name in sorted(wanted) if not _BLANK.search(name)) or b"(?!)"
    pattern = rb"\n((?:" + names + rb")[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*)(?=\n)"
    pick = re.compile(pattern, re.IGNORECASE).findall

    def select(header: bytes) -> bytes:
        if not _is_ordinary(header):
            return _select_slowly(header, wanted, exclude=False)
        found = pick(b"\n" + header)
        return b"\n".join(found) + b"\n\r\n" if found else b"\r\n"

    return select


def _select_slowly(header: bytes, wanted: frozenset[bytes], *, exclude: bool) -> bytes:
    chosen: list[bytes] = []
    end = 0
    for field in fields(header):
        end = field.end
        if (field.name not in wanted) if exclude else (field.name in wanted):
            chosen.append(header[field.start : end])
    if exclude and end < len(header):
        # Past the limit nothing is told apart, and nothing is lost either.
        rest = header[end : end + header_end(header[end:])].rstrip(b"\r\n")
        chosen.append(rest and rest + b"\r\n")
    selected = b"".join(chosen)
    return selected + (b"\r\n" if not selected or selected.endswith(b"\n") else b"\r\n\r\n")


def _is_ordinary(header: bytes) -> bool:
    """Ends in its one empty line, and has no more lines than fields are looked at."""
    return (
        header.endswith(b"\n\r\n")
        and header.find(b"\n\r\n") == len(header) - 3
        and not header.startswith((b"\r\n", b"\n"))
        and b"\n\n" not in header
        and header.count(b"\n") <= limits.FIELDS
    )


def header_end(message: bytes) -> int:
    """Octets of the header with its closing empty line; all of ``message`` when there is no empty line."""
    if message.startswith(b"\r\n"):
        return 2
    if message.startswith(b"\n"):
        return 1
    crlf = message.find(b"\n\r\n")
    lf = message.find(b"\n\n") if crlf < 0 else message.find(b"\n\n", 0, crlf)
    if lf >= 0:
        return lf + 2
    return crlf + 3 if crlf >= 0 else len(message)


def unfold(header: bytes, *, most: int = limits.FIELDS) -> list[bytes]:
    """The first ``most`` fields, one item each, without line ends: folding removed as RFC 5322 §2.2.3 says."""
    if header.count(b"\n") != header.count(b"\r\n"):
        header = header.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    lines = header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t").split(b"\r\n", most)
    if len(lines) > most:
        lines.pop()
    while lines and not lines[-1]:
        lines.pop()
    return lines


def values(lines: list[bytes], wanted: frozenset[bytes]) -> dict[bytes, list[bytes]]:
    """From unfolded ``lines``: the values of the ``wanted`` (lower-case) fields, in order, white space cut off."""
    found: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if name not in wanted:
            # RFC 5322 §4.5: obsolete fields may have white space before the colon.
            name = name.rstrip(b" \t")
            if name not in wanted:
                continue
        if not colon:
            continue
        value = value.strip()
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    return found
