"""What STATUS told of mailboxes, for the client that asks again and again: thirty rows of counters are read once.

Owns what is remembered, and for how long it holds. The counting is ``store/tallies``.
"""

from __future__ import annotations

from xtramail.store import mailboxes
from xtramail.store.engine import Snapshot
from xtramail.store.mailboxes import MailboxStatus
from xtramail.store.records import MailboxRow


class Statuses:
    """Of one account's mailboxes, one for each session."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[MailboxRow, int, MailboxStatus]] = {}

    def of(self, snap: Snapshot, row: MailboxRow) -> MailboxStatus:
        """The sums. Every change of its messages is a change of the mailbox's own row, but for expiry."""
        drop = snap.newest_drop()
        known = self._known.get(row.id)
        if known is None or known[0] != row or known[1] != drop:
            known = self._known[row.id] = row, drop, mailboxes.status(snap, row)
        return known[2]
