"""One mailbox as the store has it at one moment, shared by every session that has it selected.

Owns reading flag rows: the mailbox record, one counters row for each live bucket, then only the buckets whose highest
MODSEQ changed; what expired is simply not there any more. Does not own what a client has been told (``view``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xtramail.model.bucket import Bucket
from xtramail.model.errors import NoSuchMailbox
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import FlagRow, MailboxRow


@dataclass(frozen=True, slots=True)
class BucketPart:
    """What a look knows of one bucket: the UIDs of this mailbox in it, ascending, as of MODSEQ ``modseq``."""

    modseq: int
    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """Never changed once made; parts that did not change are shared from look to look (compare them by identity)."""

    mailbox: MailboxRow
    keywords: tuple[str, ...]
    """Name of each keyword id."""
    parts: Mapping[Bucket, BucketPart]
    uids: Sequence[int]
    """Ascending, whatever buckets they are in (a copy keeps its bucket, so ranges of buckets overlap)."""
    flags: Mapping[int, FlagRow]
    homes: Mapping[int, Bucket]
    """In which bucket each UID's rows are."""
    modseq: int
    """HIGHESTMODSEQ: greater than any told before when something changed, expiry included."""
    newest_drop: int
    """The newest drop stamp of the whole store, as of this look."""


def take_look(snap: Snapshot, mailbox_id: int, before: Look | None) -> Look | None:
    """The mailbox as ``snap`` has it, reading only what changed since ``before``; None when the mailbox is gone."""
    mailbox = mailboxes.mailbox_by_id(snap, mailbox_id)
    if mailbox is None:
        return None
    if before is not None and before.mailbox == mailbox and before.newest_drop == snap.newest_drop():
        # Every change of its messages is a change of the mailbox's own row, but for expiry.
        return before
    modseqs = {bucket: row.modseq for bucket, row in messages.counters(snap, mailbox).items()}
    return _merge(snap, mailbox, modseqs, before)


def _merge(snap: Snapshot, mailbox: MailboxRow, modseqs: Mapping[Bucket, int], before: Look | None) -> Look:
    old_parts: Mapping[Bucket, BucketPart] = before.parts if before is not None else {}
    parts = {bucket: old_parts[bucket] for bucket in modseqs if bucket in old_parts}
    flags = dict(before.flags) if before is not None else {}
    gone = [uid for bucket in old_parts.keys() - modseqs.keys() for uid in old_parts[bucket].uids]
    came: list[tuple[int, Bucket]] = []
    for bucket, modseq in modseqs.items():
        known = old_parts.get(bucket)
        if known is not None and known.modseq == modseq:
            continue
        rows = messages.bucket_look(snap, mailbox.id, bucket).rows
        uids = tuple(uid for uid, _ in rows)
        if known is None:
            came.extend((uid, bucket) for uid in uids)
        elif known.uids != uids:
            here, there = frozenset(uids), frozenset(known.uids)
            gone.extend(there - here)
            came.extend((uid, bucket) for uid in here - there)
        flags.update(rows)
        parts[bucket] = BucketPart(modseq=modseq, uids=uids)
    for uid in gone:
        del flags[uid]
    uids_now, homes = (before.uids, before.homes) if before is not None else ([], {})
    if gone or came or before is None:
        homes = {uid: bucket for uid, bucket in homes.items() if uid in flags} | dict(came)
        uids_now = sorted(flags)
    return Look(
        mailbox=mailbox,
        keywords=mailboxes.keyword_names(snap, mailbox.id),
        parts=parts,
        uids=uids_now,
        flags=flags,
        homes=homes,
        modseq=messages.highest_modseq(snap, mailbox),
        newest_drop=snap.newest_drop(),
    )


class SharedLook:
    """The newest look of one mailbox, for all sessions that have it selected."""

    def __init__(self, engine: Engine, account_id: int, mailbox_id: int) -> None:
        self._engine = engine
        self.account_id = account_id
        self.mailbox_id = mailbox_id
        self._last: Look | None = None
        self.recent_from = 0
        """UIDs below it have been \\Recent in some session already (RFC 3501 §2.3.2)."""
        self.held_by = 0

    def now(self) -> Look:
        """The mailbox as it is now; NoSuchMailbox when it was deleted."""
        look = self._engine.read(
            keys.user_scope(self.account_id), lambda snap: take_look(snap, self.mailbox_id, self._last)
        )
        if look is None:
            raise NoSuchMailbox("The mailbox was deleted")
        self._last = look
        return look


class Looks:
    """Finds the shared look of a mailbox; forgets it when its last session lets go."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: dict[tuple[int, int], SharedLook] = {}

    def hold(self, account_id: int, mailbox_id: int) -> SharedLook:
        """Pair it with :meth:`release`."""
        key = (account_id, mailbox_id)
        shared = self._held.get(key)
        if shared is None:
            shared = self._held[key] = SharedLook(self._engine, account_id, mailbox_id)
        shared.held_by += 1
        return shared

    def release(self, shared: SharedLook) -> None:
        shared.held_by -= 1
        if shared.held_by == 0:
            del self._held[shared.account_id, shared.mailbox_id]

    def __len__(self) -> int:
        """Mailboxes that are looked at."""
        return len(self._held)
