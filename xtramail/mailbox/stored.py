"""Finds stored messages by the id that the log and the queue show, in the mailboxes of one account or of all.

An id tells its moment, so only the buckets of that day are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.desk import Desk
from xtramail.directory.resolution import Resolver, resolver
from xtramail.directory.users import list_users
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.bucket import Bucket, bucket_day
from xtramail.model.clock import day_of
from xtramail.model.errors import BadInput
from xtramail.model.ids import id_seconds
from xtramail.store import keys, mailboxes, messages, tracking
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.message_row import MessageRow
from xtramail.store.records import Account, LogEvent

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


def copies_of(desk: Desk, message_id: int) -> list[Stored]:
    """Every copy of a message in the mailboxes that the log names, as far as they are in domains of the actor's. For
    admins."""
    desk.require(Role.DOMAIN, "copies of a message")
    events = desk.engine.read(keys.LOG, lambda snap: tracking.events_of(snap, message_id))
    names = dict.fromkeys(
        name
        for event in events
        for name in (*event.recipients, event.sender, event.fields.get("account", ""), *_beside(event))
        if "@" in name
    )
    known, served = resolver(desk.engine, desk.clock), {row.name for row in desk.domains()}
    accounts = {account.id: account for name in names for account in _accounts(known, name)}
    if not events:
        # Mail may be kept longer than the log, and the log is where its owners are found quickly.
        accounts = {account.id: account for name in served for account in list_users(desk, name)}
    return [
        stored
        for account in accounts.values()
        if account.address.rpartition("@")[2] in served
        for stored in find_stored(desk.engine, account, message_id)
    ]


def _beside(event: LogEvent) -> list[str]:
    """Whose mailboxes have a copy, by mirrors too: the log lists address and mailbox of each."""
    return [one.rpartition(" ")[0] for one in event.fields.get("stored", "").split(", ")]


def _accounts(known: Resolver, name: str) -> tuple[Account, ...]:
    """Whose mailboxes ``name`` stands for."""
    try:
        return known.resolve(Address.parse(name)).accounts
    except BadInput:
        # What a stranger's envelope said.
        return ()


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
