"""Suppression: mail that its user deleted before it could be given back is not given back.

Asked when a message's turn comes: it is deleted when everybody its recipient stands for had a copy, and all copies lie
in Recovered. Filing and moving never count, what a POP3 client took away is at home with its
user and not at his own server, what was put back is there again, and what expired or was purged is nobody's wish. Owns
the question; what follows for a recipient is ``turn``'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from xtramail.delivery.attempt import Part
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import switch
from xtramail.directory.mirrors import Keeping
from xtramail.directory.places import domain_of
from xtramail.model.address import Address
from xtramail.model.bucket import Bucket, bucket_day, bucket_of
from xtramail.model.errors import BadInput, Corrupt, XtramailError
from xtramail.store import keys
from xtramail.store.copies import Copies, copies_of
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import DomainRow, QueueEntry, QueueRecipient


class CopyReturned(XtramailError):
    """A copy was put back in this moment: nothing is suppressed."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """``by`` is an address, or who did it; ``at`` when the last copy went; ``places``: accounts whose mailboxes were
    asked, each with the bucket of its copy."""

    by: str
    at: float
    places: tuple[tuple[int, Bucket], ...]

    def __str__(self) -> str:
        return f"deleted by {self.by} at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self.at))}"


class Suppression:
    def __init__(self, *, engine: Engine, directory: Directory) -> None:
        self._engine = engine
        self._directory = directory

    def deletions(self, entry: QueueEntry, recipients: Iterable[QueueRecipient]) -> dict[str, Deletion]:
        """By address, for those of ``recipients`` all of whose copies were deleted. A few reads for each.

        Empty where the domain gives back everything, and for what a person released.
        """
        domain = self._directory.domain(domain_of(entry.destination))
        if entry.released or domain is None:
            return {}
        found = {recipient.address: self._deletion(entry, recipient.address, domain) for recipient in recipients}
        return {address: deletion for address, deletion in found.items() if deletion is not None}

    def still(self, entry: QueueEntry, deletions: Mapping[str, Deletion]) -> list[Part]:
        """Parts of the commit that suppresses: CopyReturned when a user was quicker."""
        places = {place for deletion in deletions.values() for place in deletion.places}
        return [
            (keys.user_scope(number), partial(_require_none, entry=entry, bucket=bucket))
            for number, bucket in sorted(places)
        ]

    def _deletion(self, entry: QueueEntry, address: str, domain: DomainRow) -> Deletion | None:
        try:
            meant = self._directory.resolve(Address.parse(address))
        except BadInput:
            return None
        if any(switch(domain, "give-back-deleted", account) for account in meant.accounts):
            return None
        places = [(account.id, _bucket(entry, meant.keepings.get(account.id))) for account in meant.accounts]
        found = [
            self._engine.read(keys.user_scope(number), partial(_copies, entry=entry, bucket=bucket))
            for number, bucket in places
        ]
        rows = [row for copies in found for row in copies.deleted]
        # Of who had no copy nobody knows whether he would miss it.
        if not rows or any(row.taken for row in rows) or not all(copies.deletion for copies in found):
            return None
        last = max(rows, key=lambda row: row.expunged_at)
        return Deletion(by=last.by, at=last.expunged_at, places=tuple(places))


def _bucket(entry: QueueEntry, keeping: Keeping | None) -> Bucket:
    """Of a copy that is kept otherwise than what the entry hands on."""
    bucket = Bucket(entry.body.bucket)
    return bucket if keeping is None else bucket_of(bucket_day(bucket), keeping.retention_class)


def _copies(snap: Snapshot, entry: QueueEntry, bucket: Bucket) -> Copies:
    return copies_of(snap, bucket, entry.body.id, entry.header_message_id)


def _require_none(txn: Txn, entry: QueueEntry, bucket: Bucket) -> None:
    try:
        present = _copies(txn, entry, bucket).present
    except Corrupt:
        raise CopyReturned from None
    if present:
        raise CopyReturned
