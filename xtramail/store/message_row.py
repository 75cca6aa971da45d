"""The immutable row of a message (m): a fixed header, then pieces of counted length that are cut out when asked for.

Listing ten thousand summaries must not build what nobody asks for: decoding unpacks one struct and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from xtramail.model.bucket import Bucket
from xtramail.model.message import Part

CHUNK_SIZE = 65_000
SOURCES = ("smtp", "submission", "append", "copy", "mirror", "dsn", "outward", "lmtp", "journal")

_FIXED = struct.Struct(">IqhIQIIIIQQIqBIIIIIII")
# size internaldate zone | body: bucket id size header return_path chunk | object thread header_length sent_at source
# | lengths of: envelope bodystructure body preview message_id subject parts
_HEAD = _FIXED.size
_THREAD_AT = struct.calcsize(">IqhIQIIIIQ")
_U64 = struct.Struct(">Q")
_pack_parts = msgspec.msgpack.Encoder().encode


class BodyRef(msgspec.Struct, frozen=True, array_like=True):
    """Where the stored octets of a message lie; chunk arithmetic is in ``store/bodies``."""

    bucket: Bucket
    id: int
    size: int
    """All octets, the Return-Path line included."""
    header_length: int
    """Octets in the header's own chunks (where the writer saw the header end)."""
    return_path_length: int = 0
    """Octets of the Return-Path line on top; the relay sends from behind it."""
    chunk_size: int = CHUNK_SIZE


class MessageRow:
    """Made by keyword from a Summary, or by :meth:`decoded` from stored octets; equal when the octets are.

    ``size`` octets, ``internaldate`` seconds since 1970 with ``zone`` minutes east of UTC as the client gave it,
    ``sent_at`` seconds since 1970 (internaldate when Date: is missing), ``subject`` the base subject (RFC 5256 §2.1),
    ``envelope``, ``bodystructure`` and ``body_structure_plain`` (BODY) finished IMAP syntax. ``thread_id`` 0 lets
    ``messages.add`` find the thread.
    """

    __slots__ = ("_fixed", "encoded")

    encoded: bytes
    _fixed: tuple[Any, ...]

    def __init__(
        self,
        *,
        size: int,
        internaldate: int,
        body: BodyRef,
        object_id: int,
        header_length: int,
        envelope: bytes,
        bodystructure: bytes,
        body_structure_plain: bytes,
        zone: int = 0,
        thread_id: int = 0,
        preview: str = "",
        message_id: str = "",
        subject: str = "",
        sent_at: int = 0,
        parts: tuple[Part, ...] = (),
        source: str = "smtp",
    ) -> None:
        pieces = (
            envelope,
            bodystructure,
            body_structure_plain,
            _octets(preview),
            _octets(message_id),
            _octets(subject),
            _encode_parts(parts),
        )
        head = _FIXED.pack(
            size, internaldate, zone,
            body.bucket, body.id, body.size, body.header_length, body.return_path_length, body.chunk_size,
            object_id, thread_id, header_length, sent_at, SOURCES.index(source),
            *map(len, pieces),
        )  # fmt: skip
        self.encoded = head + b"".join(pieces)
        self._fixed = _FIXED.unpack(head)

    @classmethod
    def decoded(cls, value: bytes) -> MessageRow:
        """struct.error when ``value`` is too short to be one."""
        row = cls.__new__(cls)
        row.encoded = value
        row._fixed = _FIXED.unpack_from(value)
        return row

    def with_thread(self, thread_id: int) -> MessageRow:
        """The same row in another thread."""
        value = self.encoded
        return MessageRow.decoded(value[:_THREAD_AT] + _U64.pack(thread_id) + value[_THREAD_AT + 8 :])

    @property
    def complete(self) -> bool:
        """Whether ``encoded`` has every octet that its header counts."""
        return bool(len(self.encoded) == _HEAD + sum(self._fixed[14:]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageRow) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __repr__(self) -> str:
        return f"MessageRow(size={self.size}, object_id={self.object_id}, message_id={self.message_id!r})"

    @property
    def size(self) -> int:
        return int(self._fixed[0])

    @property
    def internaldate(self) -> int:
        return int(self._fixed[1])

    @property
    def zone(self) -> int:
        return int(self._fixed[2])

    @property
    def body(self) -> BodyRef:
        return BodyRef(*self._fixed[3:9])

    @property
    def object_id(self) -> int:
        return int(self._fixed[9])

    @property
    def thread_id(self) -> int:
        return int(self._fixed[10])

    @property
    def header_length(self) -> int:
        return int(self._fixed[11])

    @property
    def sent_at(self) -> int:
        return int(self._fixed[12])

    @property
    def numbers(self) -> tuple[int, ...]:
        """Bucket and id of the body, size, internaldate, sent_at, object id and thread id: what SEARCH asks for."""
        fixed = self._fixed
        return fixed[3], fixed[4], fixed[0], fixed[1], fixed[12], fixed[9], fixed[10]

    @property
    def source(self) -> str:
        return SOURCES[self._fixed[13]]

    @property
    def envelope(self) -> bytes:
        return self.encoded[_HEAD : _HEAD + self._fixed[14]]

    @property
    def bodystructure(self) -> bytes:
        # As _piece, without its loop: every listing asks for it.
        start = _HEAD + self._fixed[14]
        return self.encoded[start : start + self._fixed[15]]

    @property
    def body_structure_plain(self) -> bytes:
        return self._piece(16)

    @property
    def preview(self) -> str:
        return self._piece(17).decode()

    @property
    def message_id(self) -> str:
        return self._piece(18).decode()

    @property
    def subject(self) -> str:
        return self._piece(19).decode()

    @property
    def parts(self) -> tuple[Part, ...]:
        rows = msgspec.msgpack.decode(self._piece(20), type=list[_PartFields])
        return tuple(Part(*row) for row in rows)

    def _piece(self, index: int) -> bytes:
        fixed = self._fixed
        start = _HEAD + sum(fixed[14:index])
        return self.encoded[start : start + fixed[index]]


_LISTED = struct.Struct(">Iq59xIII")
# The first two fields, and the lengths of the first three pieces.
_LIES = struct.Struct(">14xIQII")
Listed = tuple[int, int, int, int, int]
"""size, internaldate, octets of ENVELOPE, of BODYSTRUCTURE and of BODY of a row."""
Lying = tuple[Bucket, int, int, int]
"""bucket, id, size and header length as in BodyRef."""
_PLACED = struct.Struct(">I10xIQII4xI16xI")
Placed = tuple[int, Bucket, int, int, int, int, int]
"""Where the octets of a message are and how they are cut up: its size; the body's bucket, id, size, header length and
chunk size; the header length as the message's own parts count it."""


def listed(values: Sequence[bytes]) -> list[Listed]:
    """What a listing needs to know first of many encoded rows, each perhaps with octets behind it."""
    return list(map(_LISTED.unpack_from, values))


def envelopes(values: Sequence[bytes], lengths: Sequence[Listed]) -> list[bytes]:
    """``MessageRow.envelope`` of many encoded rows."""
    return [value[_HEAD : _HEAD + fixed[2]] for value, fixed in zip(values, lengths, strict=True)]


def bodystructures(values: Sequence[bytes], lengths: Sequence[Listed]) -> list[bytes]:
    """``MessageRow.bodystructure`` of many encoded rows."""
    return [
        value[(at := _HEAD + fixed[2]) : at + fixed[3]] for value, fixed in zip(values, lengths, strict=True)
    ]


def plain_structures(values: Sequence[bytes], lengths: Sequence[Listed]) -> list[bytes]:
    """``MessageRow.body_structure_plain`` of many encoded rows."""
    return [
        value[(at := _HEAD + fixed[2] + fixed[3]) : at + fixed[4]]
        for value, fixed in zip(values, lengths, strict=True)
    ]


def lying(values: Sequence[bytes]) -> list[Lying]:
    """Where the bodies of many encoded rows are."""
    return list(map(_LIES.unpack_from, values))


def placed(values: Sequence[bytes]) -> list[Placed]:
    """Of many encoded rows."""
    return list(map(_PLACED.unpack_from, values))


def small(places: Sequence[Placed]) -> list[bool]:
    """Which bodies are in two chunks, one of all the header and one of all the rest."""
    return [
        0 < header == counted <= chunk and header < stored == size <= header + chunk
        for size, _, _, stored, header, chunk, counted in places
    ]


_PartFields = tuple[tuple[int, ...], int, int, int, int, str, str, str, str, int]


NO_NUMBERS = (0,) * 7
"""``MessageRow.numbers`` of a row that cannot be read."""


def size_in(value: bytes) -> int:
    """RFC822.SIZE out of the first octets of an encoded row."""
    return int.from_bytes(value[:4], "big")


def _octets(text: str) -> bytes:
    # Half a surrogate pair from a broken header has no UTF-8 form.
    return text.encode("utf-8", "replace")


def _encode_parts(parts: tuple[Part, ...]) -> bytes:
    try:
        return _pack_parts(parts)
    except UnicodeEncodeError:
        return _pack_parts([tuple(map(_clean, part)) for part in parts])


def _clean(value: object) -> object:
    return _octets(value).decode() if isinstance(value, str) else value
