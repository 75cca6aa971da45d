"""What one user did with mail here in a time: read, filed, deleted, sent, and drafts left behind.

Reads only, and only the buckets that changed since: nothing is written for it when a client works. So it is what can
still be seen: a message that is read and then purged does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.flags import Flag
from xtramail.store import keys
from xtramail.store.drafts import drafts_since
from xtramail.store.engine import Snapshot
from xtramail.store.mailbox_rows import mailboxes
from xtramail.store.messages import bucket_look
from xtramail.store.recovered import recoverables
from xtramail.store.tallies import counters

_OWN = ("\\Sent", "\\Drafts")


@dataclass(frozen=True, slots=True)
class Activity:
    read: int = 0
    """Messages that changed in the time and bear \\Seen, outside Sent and Drafts."""
    filed: int = 0
    """Moved, copied or appended to another mailbox than INBOX, Sent and Drafts."""
    deleted: int = 0
    sent: int = 0
    """Put into Sent."""
    drafts: int = 0
    """Begun or changed since, and still there."""

    def __bool__(self) -> bool:
        return bool(self.read or self.filed or self.deleted or self.sent or self.drafts)


def activity(snap: Snapshot, since: float, until: float) -> Activity:
    """``since`` and ``until`` in seconds since 1970."""
    read = filed = sent = 0
    # Several changes of one moment have MODSEQs that run ahead of it.
    first, last = keys.micros(since), keys.micros(until + 1)
    for mailbox in mailboxes(snap):
        if mailbox.id == keys.RECOVERED:
            continue
        own = mailbox.special_use in _OWN
        for bucket, tally in counters(snap, mailbox).items():
            if not tally.messages or tally.modseq < first:
                continue
            for _, row in bucket_look(snap, mailbox.id, bucket).rows:
                if not first <= row.modseq <= last:
                    continue
                put_here = int(since) <= row.savedate <= until
                if not own:
                    read += bool(row.flags & Flag.SEEN)
                    filed += put_here and mailbox.name != "INBOX"
                elif mailbox.special_use == "\\Sent":
                    sent += put_here
    deleted = sum(since <= row.expunged_at <= until for _, _, row in recoverables(snap))
    return Activity(read=read, filed=filed, deleted=deleted, sent=sent, drafts=drafts_since(snap, since))
