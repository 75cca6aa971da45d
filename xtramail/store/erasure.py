"""Erase: a message goes without a trace, neither recoverable nor found by its Message-ID. Its body dies unlinked."""

from __future__ import annotations

from collections.abc import Iterable

from xtramail.store import keys
from xtramail.store.engine import Txn
from xtramail.store.mail_rows import delete_message, locate, message_row
from xtramail.store.mailbox_rows import require, touched
from xtramail.store.removals import sizes_of, withdraw
from xtramail.store.user_clock import next_modseq


def erase(txn: Txn, mailbox_id: int, uids: Iterable[int], now: float) -> list[int]:
    """UIDs that went, ascending; clients see them expunged. Raises NoSuchMailbox."""
    mailbox = require(txn, mailbox_id)
    present = locate(txn, mailbox, uids)
    if not present:
        return []
    modseq = next_modseq(txn, keys.micros(now))
    withdraw(txn, mailbox_id, present, sizes_of(txn, mailbox_id, present), modseq)
    for found in present:
        row = message_row(txn, mailbox_id, found.bucket, found.uid)
        if row is not None:
            delete_message(txn, mailbox_id, found.bucket, found.uid, row)
    touched(txn, mailbox, modseq)
    return [found.uid for found in present]
