"""Finds stored messages by the id that the log and the queue show, in the mailboxes of one account.

An id tells its moment, so only the buckets of that day are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.bucket import Bucket, bucket_day
from xtramail.model.clock import day_of
from xtramail.model.ids import id_seconds
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.message_row import MessageRow
from xtramail.store.records import Account

_LAST_UID = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Stored:
    """One copy of a message: where it lies and what is known of it."""

    account: Account
    mailbox: str
    uid: int
    row: MessageRow
    expunged: bool
    """No client sees it any more; it can be had until its days end."""


def find_stored(engine: Engine, account: Account, object_id: int) -> list[Stored]:
    """The copies of a message that an account has, by mailbox, expunged ones last; empty when it has none."""
    day = day_of(id_seconds(object_id))

    def near(bucket: Bucket) -> bool:
        # A clock that is set between the id and the first octet may put them a day apart.
        return abs(bucket_day(bucket) - day) <= 1

    def look(snap: Snapshot) -> list[Stored]:
        rows = mailboxes.mailboxes(snap)
        present = [
            Stored(account=account, mailbox=mailbox.name, uid=uid, row=row, expunged=False)
            for mailbox in rows
            for bucket in messages.counters(snap, mailbox)
            if near(bucket)
            for uid, row in messages.message_rows(snap, mailbox.id, bucket, 1, _LAST_UID)
            if row.object_id == object_id and messages.flag_row(snap, mailbox.id, bucket, uid) is not None
        ]
        names = {mailbox.id: mailbox.name for mailbox in rows}
        expunged = [
            Stored(
                account=account,
                mailbox=names.get(gone.mailbox, gone.mailbox_name),
                uid=gone.uid,
                row=row,
                expunged=True,
            )
            for bucket, _, gone in messages.recoverables(snap)
            if near(bucket)
            if (row := messages.message_row(snap, gone.mailbox, bucket, gone.uid)) is not None
            if row.object_id == object_id
        ]
        return present + expunged

    return engine.read(keys.user_scope(account.id), look)
