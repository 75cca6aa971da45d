"""UIDs of one mailbox: from 1 on, without gaps, under 2^31 (Apple, JavaMail and mbsync read them as signed)."""

from __future__ import annotations

from xtramail.model.errors import LimitReached
from xtramail.store.records import MailboxRow

LAST_UID = 0x7FFF_FFFE


def take_uids(mailbox: MailboxRow, count: int) -> tuple[int, int]:
    """The first of ``count`` new UIDs, and the UIDNEXT to write; LimitReached when they do not fit."""
    uidnext = mailbox.uidnext + count
    if uidnext - 1 > LAST_UID:
        raise LimitReached("This mailbox has given out all its UIDs; use another one")
    return mailbox.uidnext, uidnext
