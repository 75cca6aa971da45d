"""Reads the immutable rows of many messages of a view, a few hundred in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xtramail.mailbox.view import Place, View
from xtramail.model.bucket import Bucket
from xtramail.store import keys, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import MessageRow

SLICE = 256
"""Rows read at once: under two milliseconds, so that a reactor turn stays short."""

_SPARSE = 4


def slices(view: View, uids: Sequence[int]) -> Iterator[list[Place]]:
    """The messages in runs of at most SLICE; each is found when it is asked for."""
    for start in range(0, len(uids), SLICE):
        yield view.places(uids[start : start + SLICE])


def read_rows(engine: Engine, account_id: int, mailbox_id: int, places: Sequence[Place]) -> dict[int, MessageRow]:
    """Row of each place by UID; missing where it has expired, is gone or is damaged (the store reports that)."""
    by_bucket: dict[Bucket, list[int]] = {}
    for place in places:
        by_bucket.setdefault(place.bucket, []).append(place.uid)

    def read(snap: Snapshot) -> dict[int, MessageRow]:
        found: dict[int, MessageRow] = {}
        for bucket, uids in by_bucket.items():
            low, high = min(uids), max(uids)
            if high - low < _SPARSE * len(uids):
                wanted = set(uids)
                rows = messages.message_rows(snap, mailbox_id, bucket, low, high)
                found.update((uid, row) for uid, row in rows if uid in wanted)
                continue
            for uid in uids:
                row = messages.message_row(snap, mailbox_id, bucket, uid)
                if row is not None:
                    found[uid] = row
        return found

    return engine.read(keys.user_scope(account_id), read)
