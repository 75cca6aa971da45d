"""What became of a user's copies of one message: some are there, or who deleted the last of them and when.

All copies of a message lie in the bucket of its body, whatever mailboxes they went through. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.bucket import Bucket
from xtramail.store import keys
from xtramail.store.engine import Snapshot
from xtramail.store.mail_rows import flag_row, message_row, recoverable_at
from xtramail.store.records import Recoverable, decode_message_id


@dataclass(frozen=True, slots=True)
class Copies:
    """``present``: (mailbox id, UID) of each copy that a client sees outside of Recovered; ``deleted``: of those in
    Recovered, in order of deletion."""

    present: tuple[tuple[int, int], ...]
    deleted: tuple[Recoverable, ...]

    @property
    def deletion(self) -> Recoverable | None:
        """Who deleted the last copy, when, and from where; None while there is one, and where there never was any (or
        what was deleted was purged)."""
        return self.deleted[-1] if self.deleted and not self.present else None


def copies_of(snap: Snapshot, bucket: Bucket, object_id: int, message_id: str = "") -> Copies:
    """The user's copies of the message with this id (the body's, too) whose body lies in ``bucket``.

    ``message_id``, its header's, spares reading every message that the user has in the bucket.
    """
    places = places_of(snap, bucket, object_id, message_id)
    present = tuple(place for place in places if flag_row(snap, place[0], bucket, place[1]) is not None)
    gone = (recoverable_at(snap, bucket, *place) for place in places if place not in present)
    # By their number in Recovered, which is the order in which they were deleted.
    deleted = sorted((found for found in gone if found is not None), key=lambda found: found[0])
    return Copies(present=present, deleted=tuple(origin for _, origin in deleted))


def places_of(snap: Snapshot, bucket: Bucket, object_id: int, message_id: str = "") -> list[tuple[int, int]]:
    """(mailbox id, UID) of every copy, expunged or not; as :func:`copies_of`."""
    if message_id:
        low = keys.message_id_prefix(message_id)
        return [
            keys.message_id_place(key)
            for key, value in snap.range(bucket, low, keys.after(low))
            if decode_message_id(value)[0] == object_id
        ]
    found: list[tuple[int, int]] = []
    for key, _ in snap.range(bucket, keys.MESSAGES, keys.after(keys.MESSAGES)):
        place = keys.message_place(key)
        row = message_row(snap, place[0], bucket, place[1])
        if row is not None and row.object_id == object_id:
            found.append(place)
    return found
