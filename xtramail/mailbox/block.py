"""Some messages of a view as columns: numbers, UIDs, flags, stored rows, each a list in the same order.

Owns gathering them for FETCH, where each step that is taken once for a few hundred messages rather than once for each
is felt. What the columns are made into is ``fetch_pieces``'.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from xtramail.mailbox.view import View
from xtramail.model.bucket import Bucket
from xtramail.store import bodies, keys, message_row, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.message_row import Listed, MessageRow
from xtramail.store.records import FlagRow


class Block(msgspec.Struct, frozen=True):
    """Columns of messages; made by :func:`gather`."""

    view: View
    uids: Sequence[int]
    numbers: Sequence[int]
    flags: Sequence[FlagRow]
    values: Sequence[bytes] = ()
    """Encoded message rows, with octets behind them; empty where nobody needs them."""
    listed: Sequence[Listed] = ()
    headers: Sequence[bytes] = ()
    """Encoded header chunks, with octets behind them; empty where nobody needs them, or one is missing."""

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def rows(self) -> list[MessageRow]:
        return list(map(MessageRow.decoded, self.values))

    def whole_headers(self) -> list[bytes]:
        """Corrupt when one of :attr:`headers` is not a whole header."""
        lengths = [length for *_, length in message_row.lying(self.values)]
        return [bodies.header_in(chunk, length) for chunk, length in zip(self.headers, lengths, strict=True)]


def gather(engine: Engine, view: View, uids: Sequence[int], *, rows: bool, headers: bool) -> Block:
    """``uids`` ascending. Fewer messages than were asked for where rows are damaged or gone."""
    if not rows:
        return flags_of(view, uids)
    found = view.columns(uids)
    values = _values(engine, view, found.uids, found.buckets)
    told, flags, ordered = found.uids, found.flags, [value for value in values if value is not None]
    if len(ordered) < len(values):
        told = [uid for uid, value in zip(told, values, strict=True) if value is not None]
        flags = [row for row, value in zip(flags, values, strict=True) if value is not None]
    return Block(
        view=view,
        uids=told,
        numbers=view.numbers(told),
        flags=flags,
        values=ordered,
        listed=message_row.listed(ordered),
        headers=_headers(engine, ordered) if headers else (),
    )


def flags_of(view: View, uids: Sequence[int]) -> Block:
    """Without anything stored but flags, which the view knows."""
    found = view.columns(uids)
    return Block(view=view, uids=found.uids, numbers=view.numbers(found.uids), flags=found.flags)


def _values(engine: Engine, view: View, uids: Sequence[int], buckets: Sequence[Bucket]) -> Sequence[bytes | None]:
    scope, mailbox_id = keys.user_scope(view.shared.account_id), view.mailbox_id
    if len(set(buckets)) == 1:
        return engine.read(scope, lambda snap: messages.message_values(snap, mailbox_id, buckets[0], uids))
    by_bucket: dict[Bucket, list[int]] = {}
    for bucket, uid in zip(buckets, uids, strict=True):
        by_bucket.setdefault(bucket, []).append(uid)

    def read(snap: Snapshot) -> dict[int, bytes | None]:
        found: dict[int, bytes | None] = {}
        for bucket, inside in by_bucket.items():
            found.update(zip(inside, messages.message_values(snap, mailbox_id, bucket, inside), strict=True))
        return found

    rows = engine.read(scope, read)
    return [rows[uid] for uid in uids]


def _headers(engine: Engine, values: Sequence[bytes]) -> Sequence[bytes]:
    """One damaged, gone or long header, and there is none."""
    chunks = bodies.header_chunks_of(engine, [lies[:2] for lies in message_row.lying(values)])
    whole = [chunk for chunk in chunks if chunk is not None]
    return whole if len(whole) == len(values) else ()
