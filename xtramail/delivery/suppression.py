"""Suppression: mail that its user deleted before it could be given back is not given back.

Asked when a message's turn comes: it is deleted when there is a copy and all copies lie in Recovered, in the mailboxes
of everybody its recipient stands for. Filing and moving never count, what a POP3 client took away is at home with its
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
from xtramail.directory.places import domain_of
from xtramail.model.address import Address
from xtramail.model.bucket import Bucket
from xtramail.model.errors import BadInput, Corrupt, XtramailError
from xtramail.store import keys
from xtramail.store.copies import Copies, copies_of
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import DomainRow, QueueEntry, QueueRecipient


class CopyReturned(XtramailError):
    """A copy was put back in this moment: nothing is suppressed."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """``by`` is an address, or who did it; ``at`` when the last copy went; ``accounts``: whose mailboxes were asked."""

    by: str
    at: float
    accounts: tuple[int, ...]

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
        accounts = {number for deletion in deletions.values() for number in deletion.accounts}
        return [(keys.user_scope(number), partial(_require_none, entry=entry)) for number in sorted(accounts)]

    def _deletion(self, entry: QueueEntry, address: str, domain: DomainRow) -> Deletion | None:
        try:
            accounts = self._directory.resolve(Address.parse(address)).accounts
        except BadInput:
            return None
        if any(switch(domain, "give-back-deleted", account) for account in accounts):
            return None
        found = [
            (account.id, self._engine.read(keys.user_scope(account.id), partial(_copies, entry=entry)))
            for account in accounts
        ]
        rows = [row for _, copies in found for row in copies.deleted]
        if not rows or any(row.taken for row in rows) or any(copies.present for _, copies in found):
            return None
        last = max(rows, key=lambda row: row.expunged_at)
        return Deletion(by=last.by, at=last.expunged_at, accounts=tuple(number for number, _ in found))


def _copies(snap: Snapshot, entry: QueueEntry) -> Copies:
    return copies_of(snap, Bucket(entry.body.bucket), entry.body.id, entry.header_message_id)


def _require_none(txn: Txn, entry: QueueEntry) -> None:
    try:
        present = _copies(txn, entry).present
    except Corrupt:
        raise CopyReturned from None
    if present:
        raise CopyReturned
