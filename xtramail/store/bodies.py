"""The stored octets of messages: written in chunks while they arrive, read from any offset.

Chunks 0 to n hold the header alone (mostly one), the following ones the rest; each holds 65,000 raw octets but the last
of either kind. An encoded chunk is one tag octet and the octets, raw or zstd: whichever is shorter by a tenth. An
ordinary header is kept raw behind an index of its fields (``header_index``), because clients list it again and again.
Owns no meaning: where the MIME parts lie is the message row's.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable, Iterator, Sequence

import zstandard

from xtramail.model.bucket import Bucket
from xtramail.model.errors import Corrupt, NoSuchMessage
from xtramail.model.pending import Pending
from xtramail.store import checksum, header_index, keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.message_row import CHUNK_SIZE, Placed
from xtramail.store.message_row import BodyRef as BodyRef
from xtramail.store.search_texts import owners as owners
from xtramail.store.search_texts import put_search_text as put_search_text
from xtramail.store.search_texts import search_text as search_text

INLINE = 4
"""So many full chunks are kept in memory; from there on each batch of as many is handed to the engine."""

_AT_ONCE = CHUNK_SIZE + 16 * 1024
"""Octets of a body read in one transaction: a chunk, and the header before it."""

_RAW = b"\0"
_ZSTD = b"\1"
_HEADER_END = b"\r\n\r\n"

Tail = list[tuple[int, bytes]]
"""Chunk number and encoded chunk."""


class _Zstd(threading.local):
    """A thread's own contexts: making one costs eight times what unpacking a header does, and none may be shared."""

    def __init__(self) -> None:
        self.pack = zstandard.ZstdCompressor(level=1).compress
        self.unpack = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


class BodyWriter:
    """Writes one body. Nobody sees it until a row refers to it; a body that is given up dies with its bucket's day."""

    def __init__(self, engine: Engine, bucket: Bucket, body_id: int) -> None:
        self._engine = engine
        self._bucket = bucket
        self._body_id = body_id
        self._buffer = bytearray()
        self._in_header = True
        self._searched = 0
        self._header_length = 0
        self._size = 0
        self._ready: list[bytes] = []
        self._next = 0
        self._unsettled: list[Pending[None]] = []
        self._error: BaseException | None = None

    def write(self, octets: bytes) -> Pending[None] | None:
        """Take octets of any number. A Pending when chunks went to the engine: wait for it before writing much more.

        It fails with StoreFull or StoreFault, or NoSuchMessage when the bucket was dropped meanwhile.
        """
        self._buffer += octets
        self._size += len(octets)
        if self._in_header:
            self._cut_header()
        if not self._in_header:
            self._cut(len(self._buffer) - len(self._buffer) % CHUNK_SIZE)
        return self._hand_over() if len(self._ready) >= INLINE else None

    def finish(self, return_path_length: int = 0) -> tuple[BodyRef, Tail]:
        """The reference, and the chunks that are to go into the transaction that links the body (:func:`put_chunks`).

        ``return_path_length``: octets of the Return-Path line on top. Wait for :meth:`settled` before linking it.
        """
        if self._in_header:
            self._end_header(len(self._buffer))
        self._cut(len(self._buffer))
        ref = BodyRef(
            bucket=self._bucket,
            id=self._body_id,
            size=self._size,
            header_length=self._header_length,
            return_path_length=return_path_length,
        )
        return ref, list(enumerate(self._ready, self._next))

    async def settled(self) -> None:
        """Wait until what was handed over is durable; raises the first error of it."""
        for pending in list(self._unsettled):
            await pending
        if self._error is not None:
            raise self._error

    def _cut_header(self) -> None:
        buffer = self._buffer
        if self._header_length == 0 and buffer.startswith(b"\r\n"):
            self._end_header(2)
            return
        end = buffer.find(_HEADER_END, self._searched)
        if end >= 0:
            self._end_header(end + len(_HEADER_END))
            return
        # The end may lie across two writes, so its first three octets are looked at again and never cut off.
        whole = max(len(buffer) - 3, 0) // CHUNK_SIZE * CHUNK_SIZE
        self._cut(whole)
        self._header_length += whole
        self._searched = max(len(buffer) - 3, 0)

    def _end_header(self, length: int) -> None:
        chunk = header_index.indexed(bytes(self._buffer[:length])) if not self._header_length else None
        if chunk is not None:
            self._ready.append(chunk)
            del self._buffer[:length]
        else:
            self._cut(length)
        self._header_length += length
        if self._header_length == 0:
            # There is always a chunk 0, so that the first octet of the body is in chunk 1.
            self._ready.append(_RAW)
        self._in_header = False

    def _cut(self, length: int) -> None:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._ready.extend(encode_chunk(taken[at : at + CHUNK_SIZE]) for at in range(0, len(taken), CHUNK_SIZE))

    def _hand_over(self) -> Pending[None]:
        pending = self._engine.append_body(self._bucket, self._body_id, self._next, self._ready)
        self._next += len(self._ready)
        self._ready = []
        self._unsettled.append(pending)
        pending.when_done(self._take_outcome)
        return pending

    def _take_outcome(self, pending: Pending[None]) -> None:
        self._unsettled.remove(pending)
        try:
            pending.result()
        except Exception as error:
            self._error = self._error or error


def put_chunks(txn: Txn, bucket: Bucket, body_id: int, tail: Sequence[tuple[int, bytes]]) -> None:
    """Write the last chunks of a body (scope BODY), in the transaction that links it."""
    for number, chunk in tail:
        txn.put(bucket, keys.body_chunk(body_id, number), chunk)


def encode_chunk(octets: bytes) -> bytes:
    """Tag and octets; compressed when that saves a tenth."""
    if len(octets) > 256:
        packed = _zstd.pack(octets)
        if len(packed) * 10 <= len(octets) * 9:
            return _ZSTD + packed
    return _RAW + octets


def decode_chunk(chunk: bytes) -> bytes:
    """The octets; Corrupt when they cannot be had."""
    return _decoded(chunk, len(chunk))


def _decoded(chunk: bytes, end: int) -> bytes:
    """As :func:`decode_chunk` of the octets up to ``end``, without copying more than the result."""
    tag = chunk[:1]
    if tag == _RAW:
        return chunk[1:end]
    try:
        if tag == _ZSTD:
            return _zstd.unpack(memoryview(chunk)[1:end], max_output_size=CHUNK_SIZE)
        if tag == header_index.INDEXED:
            return header_index.header_of(chunk, end)
    except (zstandard.ZstdError, struct.error, IndexError):
        raise Corrupt("A body chunk cannot be unpacked") from None
    raise Corrupt("A body chunk has an unknown form")


def header_chunks(ref: BodyRef) -> int:
    """How many chunks the header has; there is always one."""
    return max(-(-ref.header_length // ref.chunk_size), 1)


def chunk_count(ref: BodyRef) -> int:
    """How many chunks the whole body has."""
    return header_chunks(ref) + -(-(ref.size - ref.header_length) // ref.chunk_size)


def chunk_start(ref: BodyRef, chunk: int) -> int:
    """Offset of a chunk's first octet."""
    headers = header_chunks(ref)
    return chunk * ref.chunk_size if chunk < headers else ref.header_length + (chunk - headers) * ref.chunk_size


def chunk_at(ref: BodyRef, offset: int) -> int:
    """The chunk in which an octet lies."""
    if offset < ref.header_length:
        return offset // ref.chunk_size
    return header_chunks(ref) + (offset - ref.header_length) // ref.chunk_size


def chunks(engine: Engine, ref: BodyRef, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Octets from ``offset`` on, ``length`` of them (None: to the end), in pieces of at most one chunk.

    No snapshot is held between steps, so NoSuchMessage may come in the middle (the bucket was dropped and swept), as
    may Corrupt. Beyond the end there is nothing.
    """
    end = ref.size if length is None else min(offset + length, ref.size)
    offset = max(offset, 0)
    while offset < end:
        numbers = _together(ref, chunk_at(ref, offset), end)
        wanted = [keys.body_chunk(ref.id, number) for number in numbers]
        found = engine.read(keys.BODY, lambda snap: snap.sealed_at(ref.bucket, wanted))  # noqa: B023
        for number, sealed in zip(numbers, found, strict=True):
            start = chunk_start(ref, number)
            octets = _checked(ref, number, sealed if sealed is not None else _again(engine, ref, number))
            yield octets[offset - start : end - start]
            offset = start + len(octets)


def _together(ref: BodyRef, first: int, end: int) -> list[int]:
    """Chunks from ``first`` on that are read in one transaction, none of them beyond the octet ``end``."""
    numbers = [first]
    begin, last = chunk_start(ref, first), chunk_count(ref) - 1
    while numbers[-1] < last:
        start = chunk_start(ref, numbers[-1] + 1)
        if start >= end or min(start + ref.chunk_size, ref.size) - begin > _AT_ONCE:
            break
        numbers.append(numbers[-1] + 1)
    return numbers


def _again(engine: Engine, ref: BodyRef, number: int) -> bytes:
    """Say why a chunk was not found: Corrupt, or NoSuchMessage."""
    encoded = engine.read_body(ref.bucket, ref.id, number)
    if encoded is None:
        raise NoSuchMessage
    return encoded + b"\0" * checksum.SIZE


def read(engine: Engine, ref: BodyRef, offset: int = 0, length: int | None = None) -> bytes:
    """As :func:`chunks`, in one piece."""
    return b"".join(chunks(engine, ref, offset, length))


def headers(engine: Engine, refs: Sequence[BodyRef]) -> list[bytes | None]:
    """The stored headers of many bodies, in one transaction; None for one damaged, gone or over a chunk long."""
    chunks = header_chunks_of(engine, [(ref.bucket, ref.id) for ref in refs])
    return [chunk and _whole_header(ref, chunk) for ref, chunk in zip(refs, chunks, strict=True)]


def header_chunks_of(engine: Engine, bodies: Sequence[tuple[Bucket, int]]) -> list[bytes | None]:
    """The encoded first chunk of each body, with octets behind it that are not its own; None where there is none.

    For listings: :func:`header_in` takes one apart, and what is indexed need not be.
    """
    return _sealed(engine, [(bucket, keys.body_chunk(body_id, 0)) for bucket, body_id in bodies])


def _sealed(engine: Engine, wanted: Sequence[tuple[Bucket, bytes]]) -> list[bytes | None]:
    """Rows of bodies by bucket and key, in one transaction."""
    by_bucket: dict[Bucket, list[bytes]] = {}
    for bucket, key in wanted:
        by_bucket.setdefault(bucket, []).append(key)

    def read_all(snap: Snapshot) -> list[bytes | None]:
        if len(by_bucket) == 1:
            return snap.sealed_at(*next(iter(by_bucket.items())))
        found = {bucket: iter(snap.sealed_at(bucket, inside)) for bucket, inside in by_bucket.items()}
        return [next(found[bucket]) for bucket, _ in wanted]

    return engine.read(keys.BODY, read_all)


def small_bodies(engine: Engine, wanted: Sequence[Placed], chunks: Sequence[int]) -> list[list[bytes]]:
    """Of bodies in two chunks (``message_row.small``), those that are asked for, 0 the header and 1 all behind it: a
    column for each, read in one transaction. Corrupt when one cannot be had."""
    body_chunk = keys.body_chunk
    columns: list[list[bytes]] = []
    sealed = _sealed(
        engine, [(bucket, body_chunk(body_id, chunk)) for chunk in chunks for _, bucket, body_id, *_ in wanted]
    )
    octets = [_decoded(chunk, len(chunk) - checksum.SIZE) for chunk in sealed if chunk is not None]
    for chunk in chunks:
        lengths = [size - header if chunk else header for _, _, _, size, header, *_ in wanted]
        column, octets = octets[: len(wanted)], octets[len(wanted) :]
        if list(map(len, column)) != lengths:
            raise Corrupt("A small body is damaged or gone")
        columns.append(column)
    return columns


def _whole_header(ref: BodyRef, sealed: bytes) -> bytes | None:
    if not 0 < ref.header_length <= ref.chunk_size:
        return None
    try:
        return header_in(sealed, ref.header_length)
    except Corrupt:
        return None


def header_in(sealed: bytes, length: int) -> bytes:
    """The header of ``length`` octets out of what :func:`header_chunks_of` gave; Corrupt when it is not there."""
    octets = _decoded(sealed, len(sealed) - checksum.SIZE)
    if len(octets) != length:
        raise Corrupt("A header has the wrong length")
    return octets


def _checked(ref: BodyRef, number: int, sealed: bytes) -> bytes:
    octets = _decoded(sealed, len(sealed) - checksum.SIZE)
    start = chunk_start(ref, number)
    limit = ref.header_length if start < ref.header_length else ref.size
    if len(octets) != min(start + ref.chunk_size, limit) - start:
        raise Corrupt("A body chunk has the wrong length")
    return octets


def encoded_chunks(engine: Engine, ref: BodyRef) -> Iterable[bytes]:
    """Every chunk as it is stored, to be copied into another bucket; NoSuchMessage when one is missing."""
    for number in range(chunk_count(ref)):
        encoded = engine.read_body(ref.bucket, ref.id, number)
        if encoded is None:
            raise NoSuchMessage
        yield encoded
