"""The decoded text of a body, for SEARCH, and whom the body was delivered to (scope BODY, tag x).

The first row begins with the accounts, then header and text go on through the rows, uncompressed and folded
(``model.collation.searchfold``), so that a search for octets in octets is all that SEARCH has to do. Rows without a
header (``FOLDED`` not set) hold the text as it was written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xtramail.model.bucket import Bucket
from xtramail.model.collation import searchfold
from xtramail.model.errors import Corrupt
from xtramail.store import keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.message_row import BodyRef

MAX_OCTETS = 256 * 1024
PIECE = 60_000
"""Octets of text in one row; leaves room for a thousand accounts in the first."""

MAX_HEADER = 48 * 1024
"""Octets of a folded header; fits into the first row with its accounts."""

_COUNT = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
_FOLDED = 0x8000
"""In the count of accounts: header and text are case folded, and the header's length stands before them."""
_MAX_OWNERS = 1_300


class Searchable(NamedTuple):
    """Folded UTF-8 of one message, found in ``octets``: its decoded header lines from ``header_at`` to ``text_at``, a
    line feed before and behind each, then its text."""

    octets: bytes
    header_at: int
    text_at: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is written; ``mark`` tells whether it is folded and has a header."""

    octets: bytes
    mark: int


def prepare(text: str, header: str = "") -> Prepared:
    """Fold and encode, before any transaction: the writer has others waiting.

    ``text`` is cut at 256 KiB. ``header``: decoded ``Name: value`` lines; over 48 KiB, or without any, the text is kept
    as it is.
    """
    folded = searchfold(f"\n{header}\n").encode("utf-8", "replace") if header else b""
    if not header or len(folded) > MAX_HEADER:
        return Prepared(text.encode("utf-8", "replace")[:MAX_OCTETS], 0)
    octets = searchfold(text).encode("utf-8", "replace")[:MAX_OCTETS]
    return Prepared(_LENGTH.pack(len(folded)) + folded + octets, _FOLDED)


def put_search_text(txn: Txn, bucket: Bucket, body_id: int, prepared: Prepared, owners: Sequence[int] = ()) -> None:
    """Write it, and the ids of the accounts that got the body; at most 1,300 are kept."""
    _put(txn, bucket, body_id, prepared.octets, owners, prepared.mark)


def _put(txn: Txn, bucket: Bucket, body_id: int, octets: bytes, owners: Sequence[int], mark: int) -> None:
    kept = sorted(set(owners))[:_MAX_OWNERS]
    head = struct.pack(f">H{len(kept)}I", len(kept) | mark, *kept)
    txn.put(bucket, keys.search_text(body_id, 0), head + octets[:PIECE])
    for piece, start in enumerate(range(PIECE, len(octets), PIECE), 1):
        txn.put(bucket, keys.search_text(body_id, piece), octets[start : start + PIECE])


def searchables(engine: Engine, refs: Sequence[BodyRef], *, whole: bool) -> list[Searchable | None]:
    """Of many bodies, in one transaction; None for one that is damaged, gone, or has no header beside its text.

    Not ``whole``: of a long text only as much as is in its first row, which has all of the header.
    """

    def read_all(snap: Snapshot) -> list[Searchable | None]:
        return [_searchable(snap, ref, whole=whole) for ref in refs]

    return engine.read(keys.BODY, read_all)


def _searchable(snap: Snapshot, ref: BodyRef, *, whole: bool) -> Searchable | None:
    try:
        value = snap.get(ref.bucket, keys.search_text(ref.id, 0))
    except Corrupt:
        return None
    if value is None or not value[0] & _FOLDED >> 8:
        return None
    if len(value) >= PIECE and whole:
        low = keys.search_text_prefix(ref.id)
        value = b"".join(row for _, row in snap.range(ref.bucket, low, keys.after(low)))
    at = 2 + 4 * (_COUNT.unpack_from(value)[0] & ~_FOLDED)
    start = at + _LENGTH.size
    return Searchable(value, start, start + _LENGTH.unpack_from(value, at)[0])


def search_text(engine: Engine, ref: BodyRef) -> str:
    """The text as far as it is there, case folded where a header is beside it; empty when it is not."""

    def read(snap: Snapshot) -> str:
        _, mark, octets = _split(snap, ref.bucket, ref.id)
        start = _LENGTH.size + _LENGTH.unpack_from(octets)[0] if mark else 0
        return octets[start:].decode("utf-8", "ignore")

    return engine.read(keys.BODY, read)


def owners(engine: Engine, ref: BodyRef) -> tuple[int, ...]:
    """Accounts that got the body and still hold it, ascending."""
    return engine.read(keys.BODY, lambda snap: _split(snap, ref.bucket, ref.id)[0])


def remove_owner(txn: Txn, ref: BodyRef, account_id: int, chunks: int) -> bool:
    """Take an account off; with the last one the text and all ``chunks`` of the body go. Whether they went.

    Nothing is done where it is not known who all has the body: the list is full, damaged, or does not name the account.
    """
    kept, mark, octets = _split(txn, ref.bucket, ref.id)
    if account_id not in kept or len(kept) >= _MAX_OWNERS:
        return False
    left = tuple(owner for owner in kept if owner != account_id)
    if left:
        _put(txn, ref.bucket, ref.id, octets, left, mark)
        return False
    low = keys.search_text_prefix(ref.id)
    txn.delete_range(ref.bucket, low, keys.after(low))
    txn.delete_range(ref.bucket, keys.body_chunk(ref.id, 0), keys.body_chunk(ref.id, chunks))
    return True


def _split(snap: Snapshot, bucket: Bucket, body_id: int) -> tuple[tuple[int, ...], int, bytes]:
    """Accounts, the mark, and the octets behind them."""
    low = keys.search_text_prefix(body_id)
    rows = snap.range(bucket, low, keys.after(low))
    if not rows or rows[0][0] != keys.search_text(body_id, 0):
        return (), 0, b""
    value = b"".join(row for _, row in rows)
    head = _COUNT.unpack_from(value)[0]
    count = head & ~_FOLDED
    return struct.unpack_from(f">{count}I", value, 2), head & _FOLDED, value[2 + 4 * count :]
