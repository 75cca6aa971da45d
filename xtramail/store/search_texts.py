"""The decoded text of a body, for SEARCH, and whom the body was delivered to (scope BODY, tag x).

The first row has the accounts and the header, the following ones the text; a short text is in the first row as well.
Both are uncompressed and folded (``model.collation.searchfold``), so that a search for octets in octets is all that
SEARCH has to do, and one of headers reads no text. A header that is huge is not kept, and the text then as it was
written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from xtramail.model.bucket import Bucket
from xtramail.model.collation import searchfold_octets
from xtramail.model.errors import Corrupt
from xtramail.store import keys
from xtramail.store.engine import Engine, Octets, Peek, Snapshot, Txn
from xtramail.store.message_row import BodyRef

T = TypeVar("T")

MAX_OCTETS = 256 * 1024
PIECE = 60_000
"""Octets of text in one row."""

MAX_HEADER = 48 * 1024
"""Octets of a folded header; fits into the first row with its accounts."""

USUAL = ("from", "to", "cc", "bcc", "subject", "message-id")
"""Fields that clients search for by name: they stand first, so that they are found without looking through a header."""

_SHORT = 4_000
"""Header and text that together have no more octets are one row: they fill one page then."""

_HEAD = struct.Struct(">HBHH")
"""Number of accounts and mark, number of further rows, octets of usual lines, octets of all header lines."""
_FOLDED = 0x8000
"""In the number of accounts: header and text are folded."""
_MARK = _FOLDED >> 8
"""Of its first octet."""
_MAX_OWNERS = 1_300
_USUAL = tuple(name.encode("ascii") for name in USUAL)

Pieces = Sequence[Octets]
"""Values of the rows of one body, uncopied: :func:`bounds` says what lies where in the first; all others are text."""


class Bounds(NamedTuple):
    """Places in the first row of a body. A line feed is before and behind each line of the header."""

    header_at: int
    usual_end: int
    """Behind the lines of usual fields (and of some whose names begin as theirs)."""
    text_at: int
    """Behind the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is written. ``mark`` tells whether it is folded and has a header."""

    header: bytes = b""
    usual: int = 0
    text: bytes = b""
    mark: int = 0


NOTHING = Prepared()


def prepare(text: str, header: str = "") -> Prepared:
    """Fold and encode, before any transaction: the writer has others waiting.

    ``text`` is cut at 256 KiB. ``header``: decoded ``Name: value`` lines; over 48 KiB, or without any, the text is kept
    as it is.
    """
    lines = searchfold_octets(header)
    if not header or len(lines) > MAX_HEADER:
        return Prepared(text=text.encode("utf-8", "replace")[:MAX_OCTETS])
    usual, others = [b""], list[bytes]()
    for line in lines.split(b"\n"):
        (usual if line.startswith(_USUAL) else others).append(line)
    first = b"\n".join(usual) + b"\n"
    octets = searchfold_octets(text)[:MAX_OCTETS]
    rest = b"\n".join(others) + b"\n" if others else b""
    return Prepared(header=first + rest, usual=len(first), text=octets, mark=_FOLDED)


def put_search_text(txn: Txn, bucket: Bucket, body_id: int, prepared: Prepared, owners: Sequence[int] = ()) -> None:
    """Write it, and the ids of the accounts that got the body; at most 1,300 are kept."""
    header, text = prepared.header, prepared.text
    first, further = (text, b"") if len(header) + len(text) <= _SHORT else (b"", text)
    starts = range(0, len(further), PIECE)
    kept = sorted(set(owners))[:_MAX_OWNERS]
    head = _HEAD.pack(len(kept) | prepared.mark, len(starts), prepared.usual, len(header))
    txn.put(bucket, keys.search_text(body_id, 0), head + _accounts(kept) + header + first)
    for number, start in enumerate(starts, 1):
        txn.put(bucket, keys.search_text(body_id, number), further[start : start + PIECE])


def _accounts(ids: Sequence[int]) -> bytes:
    return struct.pack(f">{len(ids)}I", *ids)


def peek_texts(
    engine: Engine,
    wanted: Sequence[tuple[Bucket, int]],
    octets: int,
    use: Callable[[list[Pieces | None]], T],
    *,
    whole: bool = True,
) -> T:
    """Give ``use`` as many of the bodies (bucket and id) as come to about ``octets``, one at least, in the order asked.

    None for one that is damaged, gone, or has no header beside its text. Not ``whole``: of each the first row alone.
    Nothing is copied: all is good inside ``use`` alone.
    """

    def read(peek: Peek) -> T:
        # Written in line: a search passes here once for each message.
        get, key_of = peek.get, keys.search_text
        found: list[Pieces | None] = []
        left = octets
        for bucket, body_id in wanted:
            try:
                first = get(bucket, key_of(body_id, 0))
                if first is None or not first[0] & _MARK:
                    found.append(None)
                    continue
                left -= len(first)
                if whole and (further := first[2]):
                    pieces = [first]
                    for number in range(1, further + 1):
                        piece = get(bucket, key_of(body_id, number))
                        if piece is None:
                            raise Corrupt("a row of a text is missing")
                        left -= len(piece)
                        pieces.append(piece)
                    found.append(pieces)
                else:
                    found.append((first,))
            except Corrupt:
                found.append(None)
                continue
            if left <= 0:
                break
        return use(found)

    return engine.peek(keys.BODY, read)


def bounds(first: Octets) -> Bounds:
    """What lies where in the first row of a body."""
    count, _, usual, header = _HEAD.unpack_from(first)
    start = _HEAD.size + 4 * (count & ~_FOLDED)
    return Bounds(start, start + usual, start + header)


def search_text(engine: Engine, ref: BodyRef) -> str:
    """The text as far as it is there, case folded where a header is beside it; empty when it is not."""

    def read(snap: Snapshot) -> str:
        low = keys.search_text_prefix(ref.id)
        rows = [value for _, value in snap.range(ref.bucket, low, keys.after(low))]
        first = _whole(snap, ref.bucket, ref.id)
        if first is None:
            return ""
        rows[0] = first[bounds(first).text_at :]
        return b"".join(rows).decode("utf-8", "ignore")

    return engine.read(keys.BODY, read)


def owners(engine: Engine, ref: BodyRef) -> tuple[int, ...]:
    """Accounts that got the body and still hold it, ascending."""

    def read(snap: Snapshot) -> tuple[int, ...]:
        first = _whole(snap, ref.bucket, ref.id)
        return _owners(first) if first is not None else ()

    return engine.read(keys.BODY, read)


def remove_owner(txn: Txn, ref: BodyRef, account_id: int, chunks: int) -> bool:
    """Take an account off; with the last one the text and all ``chunks`` of the body go. Whether they went.

    Nothing is done where it is not known who all has the body: the list is full, damaged, or does not name the account.
    """
    first = _whole(txn, ref.bucket, ref.id)
    kept = _owners(first) if first is not None else ()
    if first is None or account_id not in kept or len(kept) >= _MAX_OWNERS:
        return False
    left = [owner for owner in kept if owner != account_id]
    if left:
        count, further, usual, header = _HEAD.unpack_from(first)
        head = _HEAD.pack(len(left) | count & _FOLDED, further, usual, header)
        rest = first[bounds(first).header_at :]
        txn.put(ref.bucket, keys.search_text(ref.id, 0), head + _accounts(left) + rest)
        return False
    low = keys.search_text_prefix(ref.id)
    txn.delete_range(ref.bucket, low, keys.after(low))
    txn.delete_range(ref.bucket, keys.body_chunk(ref.id, 0), keys.body_chunk(ref.id, chunks))
    return True


def _whole(snap: Snapshot, bucket: Bucket, body_id: int) -> bytes | None:
    """The first row; None where it is damaged or not there."""
    try:
        return snap.get(bucket, keys.search_text(body_id, 0))
    except Corrupt:
        return None


def _owners(first: bytes) -> tuple[int, ...]:
    count = _HEAD.unpack_from(first)[0] & ~_FOLDED
    return struct.unpack_from(f">{count}I", first, _HEAD.size)
