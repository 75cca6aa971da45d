"""The header of a submitted message: collected before anything is written, then checked and completed.

Owns what a submission server does to a header (RFC 6409 §8): Date and Message-ID added where they are missing, Bcc
taken out of what leaves. Not one other octet changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xtramail.wire.mime import compose, header, limits
from xtramail.wire.mime.address_list import read_addresses

_END = b"\r\n\r\n"


class HeaderBuffer:
    """Takes octets until the empty line behind the header has come."""

    __slots__ = ("_buffer", "_searched", "complete", "octets", "too_large")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self.complete = False
        self.too_large = False
        """Over 256 KiB: nothing more is kept."""
        self.octets = b""
        """The header with its empty line; before it is complete, what came."""

    def feed(self, octets: bytes) -> bytes:
        """What lies behind the header, once it is complete; until then nothing."""
        buffer = self._buffer
        buffer += octets
        if buffer.startswith(b"\r\n"):
            end = 2
        else:
            found = buffer.find(_END, self._searched)
            end = found + len(_END) if found >= 0 else -1
            self._searched = max(0, len(buffer) - len(_END) + 1)
        self.too_large = end > limits.HEADER_OCTETS or (end < 0 and len(buffer) > limits.HEADER_OCTETS)
        if self.too_large:
            buffer.clear()
            return b""
        if end < 0:
            self.octets = bytes(buffer)
            return b""
        self.complete = True
        self.octets = bytes(buffer[:end])
        rest = bytes(buffer[end:])
        buffer.clear()
        return rest


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """In whose name a message says that it is sent: addresses ``local@domain``."""

    authors: tuple[str, ...]
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of the fields that may stand beside From (NAMED), each that is there."""
    illegible: str = ""
    """The first of those of which not every reader sees these addresses and no others."""


NAMED = ("Sender", "Resent-From", "Resent-Sender")
"""Who sent it, if not its author (RFC 5322 §3.6.2); who brought it into the mail again, whenever that was (§3.6.6)."""
_READ = frozenset(name.lower().encode() for name in ("From", *NAMED))


class OutgoingHeader:
    """What a header says of its author, and how it looks when it leaves."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        lines = header.unfold(octets)
        named = header.values(lines, _READ)
        found = named.get(b"from", [])
        addresses, whole = read_addresses(b", ".join(found))
        self.from_count = len(found)
        self.authors = tuple(address.address for address in addresses if address.host is not None)
        """Addresses of the From field, ``local@domain``."""
        self.from_legible = whole
        """Each reader of the From field sees these authors and no others."""
        self.names = _names(self.authors, named)
        # Below our trace fields it would fold into the last of them, and hide a Bcc there.
        self.begins_folded = octets.startswith((b" ", b"\t"))
        self.has_bcc = compose.without_bcc(octets) != octets

    @property
    def too_many_fields(self) -> bool:
        return sum(1 for _ in header.fields(self.octets, most=limits.FIELDS + 1)) > limits.FIELDS

    def added(self, *, date: str, message_id: str) -> bytes:
        """Lines for the trace area: what the author left out."""
        return compose.add_missing(self.octets, date=date, message_id=message_id)

    def without_bcc(self) -> bytes:
        return compose.without_bcc(self.octets)


def _names(authors: tuple[str, ...], named: Mapping[bytes, list[bytes]]) -> HeaderNames:
    others, illegible = [], ""
    for name in NAMED:
        values = named.get(name.lower().encode())
        if values is None:
            continue
        found, whole = read_addresses(b", ".join(values))
        addresses = tuple(address.address for address in found if address.host is not None)
        others.append((name, addresses))
        if not whole or not addresses:
            illegible = illegible or name
    return HeaderNames(authors, tuple(others), illegible)
