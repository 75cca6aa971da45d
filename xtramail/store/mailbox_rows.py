"""Reading and writing the rows of mailboxes (M, N, K) of one user. What commands do with them is in ``mailboxes``."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import LimitReached, NoSuchMailbox
from xtramail.model.flags import MAX_KEYWORDS
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.mailbox_names import canonical
from xtramail.store.records import BucketRange, Keywords, MailboxRow, decode, decode_number, encode, encode_number


def mailboxes(snap: Snapshot) -> list[MailboxRow]:
    """All mailboxes of the user, by id (which is their age); Recovered is none of them."""
    rows = snap.range(PERMANENT, keys.mailbox(keys.RECOVERED + 1), keys.after(keys.MAILBOXES))
    return [decode(value, MailboxRow) for _, value in rows]


def mailbox_by_id(snap: Snapshot, mailbox_id: int) -> MailboxRow | None:
    """None when it was deleted: ids are never used again."""
    value = snap.get(PERMANENT, keys.mailbox(mailbox_id))
    return decode(value, MailboxRow) if value is not None else None


def mailbox_by_name(snap: Snapshot, name: str) -> MailboxRow | None:
    """INBOX in any case; every other name exactly."""
    value = snap.get(PERMANENT, keys.mailbox_name(canonical(name)))
    return mailbox_by_id(snap, decode_number(value)) if value is not None else None


def mailbox_by_use(snap: Snapshot, use: str) -> MailboxRow | None:
    """``use`` like ``\\Sent`` (RFC 6154 §2); there is at most one mailbox of each."""
    return next((row for row in mailboxes(snap) if row.special_use == use), None)


def require(snap: Snapshot, mailbox_id: int) -> MailboxRow:
    """NoSuchMailbox when it is gone."""
    row = mailbox_by_id(snap, mailbox_id)
    if row is None:
        raise NoSuchMailbox
    return row


def put_mailbox(txn: Txn, row: MailboxRow) -> None:
    """Write the row; the name's row is :func:`put_name`'s."""
    txn.put(PERMANENT, keys.mailbox(row.id), encode(row))


def put_name(txn: Txn, row: MailboxRow) -> None:
    txn.put(PERMANENT, keys.mailbox_name(row.name), encode_number(row.id))


def live_ranges(snap: Snapshot, row: MailboxRow) -> tuple[BucketRange, ...]:
    """The mailbox's buckets that are not dropped, with their UID ranges, ascending by bucket."""
    if snap.newest_drop() < row.highestmodseq:
        # What was dropped before its last change was forgotten then.
        return row.buckets
    dropped = snap.dropped()
    return tuple(entry for entry in row.buckets if entry[0] not in dropped)


def live_buckets(snap: Snapshot) -> list[Bucket]:
    """Every live bucket in which a mailbox of the user has or had mail, ascending."""
    return sorted({bucket for row in mailboxes(snap) for bucket, _, _ in live_ranges(snap, row)})


def highest_modseq(snap: Snapshot, row: MailboxRow) -> int:
    """HIGHESTMODSEQ (RFC 7162 §3.1.2.1): the stored one, or what the expiry of one of its buckets made of it."""
    dropped = snap.dropped()
    return max(row.highestmodseq, *(dropped.get(bucket, 0) for bucket, _, _ in row.buckets), 1)


def touched(txn: Txn, row: MailboxRow, modseq: int, **changes: object) -> MailboxRow:
    """Write the row after a change of its messages; forgets dropped buckets, which ``modseq`` is above of."""
    changed = replace(row, **changes) if changes else row
    changed = replace(changed, highestmodseq=modseq, buckets=live_ranges(txn, changed))
    put_mailbox(txn, changed)
    return changed


def with_uids(ranges: tuple[BucketRange, ...], bucket: Bucket, low: int, high: int) -> tuple[BucketRange, ...]:
    """``ranges`` with UIDs ``low`` to ``high`` in ``bucket``."""
    for index, (known, first, last) in enumerate(ranges):
        if known == bucket:
            return (*ranges[:index], (bucket, min(low, first), max(high, last)), *ranges[index + 1 :])
    return tuple(sorted((*ranges, (bucket, low, high))))


def keyword_names(snap: Snapshot, mailbox_id: int) -> tuple[str, ...]:
    """The mailbox's keywords; a keyword's id is its position."""
    value = snap.get(PERMANENT, keys.keywords(mailbox_id))
    return decode(value, Keywords).names if value is not None else ()


def keyword_ids(txn: Txn, mailbox_id: int, names: Iterable[str]) -> tuple[int, ...]:
    """Ascending ids of ``names``, new ones added; LimitReached over 64 in one mailbox.

    Compared without case, kept as first spelled (RFC 9051 §2.3.2).
    """
    known = keyword_names(txn, mailbox_id)
    table = {name.lower(): number for number, name in enumerate(known)}
    fresh: list[str] = []
    found: set[int] = set()
    for name in names:
        number = table.setdefault(name.lower(), len(known) + len(fresh))
        if number == len(known) + len(fresh):
            fresh.append(name)
        found.add(number)
    if fresh:
        if len(known) + len(fresh) > MAX_KEYWORDS:
            raise LimitReached(f"A mailbox has at most {MAX_KEYWORDS} different keywords")
        txn.put(PERMANENT, keys.keywords(mailbox_id), encode(Keywords(names=(*known, *fresh))))
    return tuple(sorted(found))


def known_keyword_ids(snap: Snapshot, mailbox_id: int, names: Iterable[str]) -> frozenset[int]:
    """Ids of those ``names`` that the mailbox has."""
    table = {name.lower(): number for number, name in enumerate(keyword_names(snap, mailbox_id))}
    return frozenset(table[name.lower()] for name in names if name.lower() in table)


def take_recent(txn: Txn, mailbox_id: int) -> int:
    """UIDs from the returned one on are \\Recent to the session that SELECTs now, and to no later one."""
    row = require(txn, mailbox_id)
    if row.first_recent != row.uidnext:
        put_mailbox(txn, replace(row, first_recent=row.uidnext))
    return row.first_recent
