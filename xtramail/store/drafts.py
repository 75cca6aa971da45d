"""Drafts of one user that were begun or changed here since a moment: nobody gives them back, so they are counted.

Reads only. What a draft is, a client says: it lies in the mailbox for drafts, or bears \\Draft wherever it is.
"""

from __future__ import annotations

from xtramail.model.flags import Flag
from xtramail.store import keys
from xtramail.store.engine import Snapshot
from xtramail.store.mailbox_rows import mailboxes
from xtramail.store.messages import bucket_look
from xtramail.store.tallies import counters


def drafts_since(snap: Snapshot, since: float) -> int:
    """How many are there (not expunged, not \\Deleted) that came or changed at ``since`` (seconds since 1970) or later.

    A MODSEQ is no less than the microseconds of its moment; buckets without a later one are not read.
    """
    earliest = keys.micros(since)
    found = 0
    for mailbox in mailboxes(snap):
        every = mailbox.special_use == "\\Drafts"
        for bucket, tally in counters(snap, mailbox).items():
            if tally.messages and tally.modseq >= earliest:
                found += sum(
                    row.modseq >= earliest and bool(every or row.flags & Flag.DRAFT) and not row.flags & Flag.DELETED
                    for _, row in bucket_look(snap, mailbox.id, bucket).rows
                )
    return found
