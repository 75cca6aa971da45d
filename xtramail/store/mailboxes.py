"""Mailboxes of one user as commands see them: made, deleted, renamed, subscribed, counted.

Their rows are ``mailbox_rows``'; what is in them is ``messages``'.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import (
    AlreadyExists,
    BadMailboxName,
    LimitReached,
    MailboxExists,
    MailboxHasChildren,
    NoSuchMailbox,
    NotPermitted,
)
from xtramail.store import keys, recovered, tallies
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mail_rows import locate_all
from xtramail.store.mailbox_names import INBOX, canonical, checked, is_inferior, superiors
from xtramail.store.mailbox_rows import keyword_ids as keyword_ids
from xtramail.store.mailbox_rows import keyword_names as keyword_names
from xtramail.store.mailbox_rows import live_ranges, put_mailbox, put_name
from xtramail.store.mailbox_rows import mailbox_by_id as mailbox_by_id
from xtramail.store.mailbox_rows import mailbox_by_name as mailbox_by_name
from xtramail.store.mailbox_rows import mailbox_by_use as mailbox_by_use
from xtramail.store.mailbox_rows import mailboxes as mailboxes
from xtramail.store.mailbox_rows import take_recent as take_recent
from xtramail.store.records import MailboxRow
from xtramail.store.removals import sizes_of
from xtramail.store.tallies import MailboxStatus as MailboxStatus
from xtramail.store.tallies import check_quota as check_quota
from xtramail.store.tallies import count_recent as count_recent
from xtramail.store.tallies import status as status
from xtramail.store.transfers import move
from xtramail.store.usage import used_bytes as used_bytes
from xtramail.store.user_clock import next_mailbox
from xtramail.store.user_clock import next_modseq as next_modseq

TRASH = "\\Trash"
SPECIAL = (
    ("INBOX", ""),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Archive", "\\Archive"),
    ("Junk", "\\Junk"),
    ("Trash", TRASH),
)
"""Name and special use (RFC 6154 §2) of what every user has."""

MAX_MAILBOXES = 5_000
MAX_SUBSCRIPTIONS = 10_000


def ensure_special(txn: Txn, now: float) -> None:
    """Make what is missing of :data:`SPECIAL`, subscribed, and Recovered, which is not."""
    recovered.ensure(txn, now)
    for name, use in missing_special(mailboxes(txn)):
        row = mailbox_by_name(txn, name)
        if row is None:
            _make(txn, name, use, now)
            subscribe(txn, name)
        else:
            put_mailbox(txn, replace(row, special_use=use))


def missing_special(rows: Iterable[MailboxRow]) -> list[tuple[str, str]]:
    """Of :data:`SPECIAL`. A use that a mailbox of any name has is not missing, nor is one whose name stands for another
    use; a plain mailbox of the name, deleted and made anew by a client, still lacks it."""
    uses_by_name = {row.name: row.special_use for row in rows}
    uses = {use for use in uses_by_name.values() if use}
    return [
        (name, use)
        for name, use in SPECIAL
        if use not in uses and not (uses_by_name.get(name) if use else name in uses_by_name)
    ]


def create(txn: Txn, name: str, special_use: str = "", *, now: float) -> MailboxRow:
    """Make a mailbox and every superior it lacks (RFC 9051 §6.3.4).

    Raises MailboxExists, BadMailboxName, LimitReached over 5,000 mailboxes, AlreadyExists when another mailbox has the
    special use.
    """
    name = checked(name)
    if mailbox_by_name(txn, name) is not None:
        raise MailboxExists
    rows = mailboxes(txn)
    if len(rows) + 1 + name.count("/") > MAX_MAILBOXES:
        raise LimitReached(f"An account has at most {MAX_MAILBOXES} mailboxes")
    if special_use and any(row.special_use == special_use for row in rows):
        raise AlreadyExists("Another mailbox has this special use")
    _make_superiors(txn, name, now)
    return _make(txn, name, special_use, now)


def delete(txn: Txn, name: str, *, now: float, by: str = "") -> MailboxRow:
    """Delete a mailbox; its messages can be recovered for the rest of their days. Subscriptions stay.

    Raises NoSuchMailbox, MailboxHasChildren, NotPermitted for INBOX (RFC 9051 §6.3.5).
    """
    row = _named(txn, name)
    if row.name == INBOX:
        raise NotPermitted("INBOX cannot be deleted")
    if any(is_inferior(other.name, row.name) for other in mailboxes(txn)):
        raise MailboxHasChildren
    present = locate_all(txn, row)
    if present:
        recovered.keep(txn, row, present, sizes_of(txn, row.id, present), by=by, now=now)
    for bucket, _, _ in live_ranges(txn, row):
        txn.delete_range(bucket, keys.flags(row.id, 0), keys.flags(row.id + 1, 0))
    tallies.forget(txn, row)
    txn.delete(PERMANENT, keys.mailbox_name(row.name))
    txn.delete(PERMANENT, keys.mailbox(row.id))
    txn.delete(PERMANENT, keys.keywords(row.id))
    return row


def rename(txn: Txn, old: str, new: str, *, now: float) -> MailboxRow:
    """Rename a mailbox and everything under it (RFC 9051 §6.3.6); missing superiors of ``new`` are made.

    INBOX gives its messages to a new mailbox ``new`` and stays, empty; what is under it stays too. Raises
    NoSuchMailbox, MailboxExists, BadMailboxName (also for a name under the mailbox itself), LimitReached.
    """
    row = _named(txn, old)
    new = checked(new)
    if mailbox_by_name(txn, new) is not None:
        raise MailboxExists
    if row.name == INBOX:
        target = create(txn, new, now=now)
        move(txn, row.id, target.id, [found.uid for found in locate_all(txn, row)], now)
        return mailbox_by_id(txn, target.id) or target
    if is_inferior(new, row.name):
        raise BadMailboxName("A mailbox cannot become its own inferior")
    rows = mailboxes(txn)
    tree = [row, *(other for other in rows if is_inferior(other.name, row.name))]
    renamed = [replace(other, name=checked(new + other.name[len(row.name) :])) for other in tree]
    names = {other.name for other in rows} - {other.name for other in tree}
    if any(other.name in names for other in renamed):
        raise MailboxExists
    if len(rows) + new.count("/") > MAX_MAILBOXES:
        raise LimitReached(f"An account has at most {MAX_MAILBOXES} mailboxes")
    for other in tree:
        txn.delete(PERMANENT, keys.mailbox_name(other.name))
    _make_superiors(txn, new, now)
    for other in renamed:
        put_mailbox(txn, other)
        put_name(txn, other)
    return renamed[0]


def subscribe(txn: Txn, name: str) -> None:
    """Remember the name; the mailbox need not exist (RFC 9051 §6.3.7). Raises BadMailboxName, and LimitReached over
    10,000 names."""
    name = checked(name)
    if txn.get(PERMANENT, keys.subscription(name)) is None and len(subscriptions(txn)) >= MAX_SUBSCRIPTIONS:
        raise LimitReached(f"An account has at most {MAX_SUBSCRIPTIONS} subscriptions")
    txn.put(PERMANENT, keys.subscription(name), name.encode("utf-8"))


def unsubscribe(txn: Txn, name: str) -> bool:
    """Whether it was subscribed."""
    return txn.delete(PERMANENT, keys.subscription(canonical(name)))


def subscriptions(snap: Snapshot) -> list[str]:
    """Subscribed names, sorted."""
    rows = snap.range(PERMANENT, keys.SUBSCRIPTIONS, keys.after(keys.SUBSCRIPTIONS))
    return sorted(value.decode("utf-8") for _, value in rows)


def _named(snap: Snapshot, name: str) -> MailboxRow:
    row = mailbox_by_name(snap, name)
    if row is None:
        raise NoSuchMailbox
    return row


def _make_superiors(txn: Txn, name: str, now: float) -> None:
    for superior in superiors(name):
        if mailbox_by_name(txn, superior) is None:
            _make(txn, superior, "", now)


def _make(txn: Txn, name: str, special_use: str, now: float) -> MailboxRow:
    mailbox_id, uidvalidity = next_mailbox(txn, now)
    row = MailboxRow(
        id=mailbox_id,
        name=name,
        uidvalidity=uidvalidity,
        uidnext=1,
        highestmodseq=next_modseq(txn, keys.micros(now)),
        first_recent=1,
        special_use=special_use,
    )
    put_mailbox(txn, row)
    put_name(txn, row)
    return row
