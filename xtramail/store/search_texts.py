"""The decoded text of a body, for SEARCH, and whom the body was delivered to (scope BODY, tag x).

The first row begins with the accounts, then the text goes on through the rows, uncompressed: SEARCH reads all of it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from xtramail.model.bucket import Bucket
from xtramail.store import keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.message_row import BodyRef

MAX_OCTETS = 256 * 1024
PIECE = 60_000
"""Octets of text in one row; leaves room for a thousand accounts in the first."""

_COUNT = struct.Struct(">H")
_MAX_OWNERS = 1_300


def put_search_text(txn: Txn, bucket: Bucket, body_id: int, text: str, owners: Sequence[int] = ()) -> None:
    """Write the text (cut at 256 KiB) and the ids of the accounts that got the body; at most 1,300 are kept."""
    octets = text.encode("utf-8", "replace")[:MAX_OCTETS]
    kept = sorted(set(owners))[:_MAX_OWNERS]
    head = struct.pack(f">H{len(kept)}I", len(kept), *kept)
    txn.put(bucket, keys.search_text(body_id, 0), head + octets[:PIECE])
    for piece, start in enumerate(range(PIECE, len(octets), PIECE), 1):
        txn.put(bucket, keys.search_text(body_id, piece), octets[start : start + PIECE])


def search_text(engine: Engine, ref: BodyRef) -> str:
    """The text as far as it is there; empty when it is not."""
    return engine.read(keys.BODY, lambda snap: _split(snap, ref.bucket, ref.id)[1])


def owners(engine: Engine, ref: BodyRef) -> tuple[int, ...]:
    """Accounts that got the body and still hold it, ascending."""
    return engine.read(keys.BODY, lambda snap: _split(snap, ref.bucket, ref.id)[0])


def remove_owner(txn: Txn, ref: BodyRef, account_id: int, chunks: int) -> bool:
    """Take an account off; with the last one the text and all ``chunks`` of the body go. Whether they went."""
    kept, text = _split(txn, ref.bucket, ref.id)
    left = tuple(owner for owner in kept if owner != account_id)
    if left:
        put_search_text(txn, ref.bucket, ref.id, text, left)
        return False
    low = keys.search_text_prefix(ref.id)
    txn.delete_range(ref.bucket, low, keys.after(low))
    txn.delete_range(ref.bucket, keys.body_chunk(ref.id, 0), keys.body_chunk(ref.id, chunks))
    return True


def _split(snap: Snapshot, bucket: Bucket, body_id: int) -> tuple[tuple[int, ...], str]:
    low = keys.search_text_prefix(body_id)
    rows = snap.range(bucket, low, keys.after(low))
    if not rows or rows[0][0] != keys.search_text(body_id, 0):
        return (), ""
    value = b"".join(row for _, row in rows)
    count = _COUNT.unpack_from(value)[0]
    return struct.unpack_from(f">{count}I", value, 2), value[2 + 4 * count :].decode("utf-8", "ignore")
