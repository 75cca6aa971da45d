"""One mailbox as the store has it at one moment, shared by every session that has it selected.

Owns reading flag rows: the mailbox record, one counters row for each live bucket, then only the buckets whose highest
MODSEQ changed; what expired is simply not there any more. Does not own what a client has been told (``view``).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from xtramail.mailbox.flag_log import FlagLog
from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import NoSuchMailbox
from xtramail.model.flags import Flag
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import FlagRow, MailboxRow


class BucketPart(msgspec.Struct, frozen=True):
    """What a look knows of one bucket: the messages of this mailbox in it, by ascending UID, as of ``modseq``."""

    modseq: int
    flags: Mapping[int, FlagRow]
    first_unseen: int
    """The lowest UID without \\Seen, 0 when there is none."""
    deleted: frozenset[int]
    """UIDs with \\Deleted: EXPUNGE does not look at all messages for them."""
    log: FlagLog
    """Reaches up to ``modseq``."""

    @property
    def uids(self) -> Iterable[int]:
        return self.flags.keys()

    def changed_since(self, modseq: int) -> list[int]:
        """UIDs of messages whose MODSEQ is above ``modseq``."""
        if modseq >= self.modseq:
            return []
        flags = self.flags
        logged = self.log.after(modseq)
        if logged is None:
            return [uid for uid, row in flags.items() if row.modseq > modseq]
        return [uid for uid in logged if (row := flags.get(uid)) is not None and row.modseq > modseq]

    def patched(self, modseq: int, rows: Mapping[int, FlagRow], gone: Collection[int]) -> BucketPart:
        """With these new rows, and without those that are ``gone``."""
        flags = {**self.flags, **rows}
        for uid in gone:
            del flags[uid]
        unseen, deleted = self.first_unseen, self.deleted
        if unseen in rows or unseen in gone:
            unseen = _first_unseen(flags)
        elif fresh := [uid for uid, row in rows.items() if not row.flags & _SEEN]:
            unseen = min(fresh) if not unseen else min(unseen, *fresh)
        if deleted:
            deleted = deleted.difference(rows, gone)
        if doomed := _deleted(rows, rows):
            deleted |= doomed
        log = self.log.then(modseq, tuple(rows))
        return BucketPart(modseq=modseq, flags=flags, first_unseen=unseen, deleted=deleted, log=log)


class Flags(Mapping[int, FlagRow]):
    """The flags of a look's messages by UID, put together out of its parts."""

    __slots__ = ("_homes", "_parts")

    def __init__(self, homes: Mapping[int, Bucket], parts: Mapping[Bucket, BucketPart]) -> None:
        self._homes = homes
        self._parts = parts

    def get(self, uid: int, default: Any = None) -> Any:
        part = self._parts.get(self._homes.get(uid, PERMANENT))
        return default if part is None else part.flags.get(uid, default)

    def __getitem__(self, uid: int) -> FlagRow:
        return self._parts[self._homes[uid]].flags[uid]

    def __contains__(self, uid: object) -> bool:
        return self.get(uid) is not None  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[int]:
        for part in self._parts.values():
            yield from part.flags

    def __len__(self) -> int:
        return sum(len(part.flags) for part in self._parts.values())


class Look(msgspec.Struct, frozen=True):
    """Never changes once made; parts that did not change are shared from look to look (compare them by identity)."""

    mailbox: MailboxRow
    keywords: tuple[str, ...]
    """Name of each keyword id."""
    parts: Mapping[Bucket, BucketPart]
    uids: Sequence[int]
    """Ascending, whatever buckets they are in (a copy keeps its bucket, so ranges of buckets overlap). Bare numbers:
    of 100,000 a change copies 400 KB in 20 us, where counting a list's references twice took a millisecond."""
    homes: dict[int, Bucket]
    """In which bucket each UID's rows are. Shared by all looks of a mailbox, which add to it (a UID is given once and
    its bucket stays), so it knows UIDs too that this look does not have."""
    modseq: int
    """HIGHESTMODSEQ: greater than any told before when something changed, expiry included."""
    newest_drop: int
    """The newest drop stamp of the whole store, as of this look."""

    @property
    def flags(self) -> Flags:
        return Flags(self.homes, self.parts)

    def deleted(self) -> list[int]:
        """UIDs of messages with \\Deleted, ascending."""
        return sorted(uid for part in self.parts.values() for uid in part.deleted)

    def patched(self, change: OwnChange) -> Look | None:
        """This look after ``change``, without reading; None when it is not known what else happened before it."""
        known, rows = len(self.keywords), change.flags
        if self.mailbox != change.before or self.newest_drop != change.newest_drop:
            return None
        if any(row.keywords and row.keywords[-1] >= known for row in rows.values()):
            # A keyword of a new name.
            return None
        self.homes.update(change.came)
        homes = self.homes
        changed_in: dict[Bucket, dict[int, FlagRow]] = {}
        gone_from: dict[Bucket, list[int]] = {}
        for uid, row in rows.items():
            changed_in.setdefault(homes[uid], {})[uid] = row
        for uid in change.gone:
            gone_from.setdefault(homes[uid], []).append(uid)
        touched = changed_in.keys() | gone_from.keys()
        if not touched <= self.parts.keys():
            return None
        parts = dict(self.parts)
        modseq, uids = change.after.highestmodseq, _without(self.uids, change.gone)
        for bucket in touched:
            parts[bucket] = parts[bucket].patched(modseq, changed_in.get(bucket, {}), gone_from.get(bucket, ()))
        return Look(
            mailbox=change.after,
            keywords=self.keywords,
            parts=parts,
            uids=with_fresh(uids, [*change.came]) if change.came else uids,
            homes=self.homes,
            modseq=modseq,
            newest_drop=self.newest_drop,
        )


class OwnChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction of ours did to a mailbox, whose own row was ``before`` and is ``after``."""

    before: MailboxRow
    after: MailboxRow
    flags: Mapping[int, FlagRow]
    """New rows."""
    gone: Sequence[int]
    """UIDs that are not there any more."""
    came: Mapping[int, Bucket]
    """Where those of :attr:`flags` are that were not there before."""
    newest_drop: int
    """As it was then."""
    commit: int
    """Number of the commit, 0 when others had a part in it."""


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
    homes = before.homes if before is not None else {}
    parts: dict[Bucket, BucketPart] = {}
    gone = [uid for bucket in old_parts.keys() - modseqs.keys() for uid in old_parts[bucket].uids]
    came: list[int] = []
    for bucket, modseq in modseqs.items():
        known = old_parts.get(bucket)
        if known is not None and known.modseq == modseq:
            parts[bucket] = known
            continue
        flags = dict(messages.bucket_look(snap, mailbox.id, bucket).rows)
        there = known.flags if known is not None else {}
        fresh = [uid for uid in flags if uid not in there]
        if len(flags) - len(fresh) < len(there):
            gone.extend(uid for uid in there if uid not in flags)
        homes.update(dict.fromkeys(fresh, bucket))
        came.extend(fresh)
        log = FlagLog(since=modseq)
        if known is not None:
            before_it = known.modseq
            log = known.log.then(modseq, tuple(uid for uid, row in flags.items() if row.modseq > before_it))
        parts[bucket] = BucketPart(
            modseq=modseq, flags=flags, first_unseen=_first_unseen(flags), deleted=_deleted(flags, flags), log=log
        )
    uids = _without(before.uids, gone) if before is not None else array(_UIDS)
    if came:
        uids = with_fresh(uids, came)
    if len(homes) > 2 * len(uids) + _STALE:
        homes = {uid: bucket for bucket, part in parts.items() for uid in part.uids}
    return Look(
        mailbox=mailbox,
        keywords=mailboxes.keyword_names(snap, mailbox.id),
        parts=parts,
        uids=uids,
        homes=homes,
        modseq=messages.highest_modseq(snap, mailbox),
        newest_drop=snap.newest_drop(),
    )


_SEEN, _DELETED = int(Flag.SEEN), int(Flag.DELETED)
"""Bare numbers: the enumeration's own operator is ten times slower."""
_MANY = 8
"""From one of so many on, looking at each UID is cheaper than finding those that are gone."""
_UIDS = "I"
"""32 bits, as UIDs are (RFC 9051 §9, ``uniqueid``)."""
_STALE = 1_000
"""UIDs that are gone may stay in ``homes`` up to this many, and as many again as there are messages."""


def _first_unseen(flags: Mapping[int, FlagRow]) -> int:
    return next((uid for uid, row in flags.items() if not row.flags & _SEEN), 0)


def _deleted(flags: Mapping[int, FlagRow], among: Iterable[int]) -> frozenset[int]:
    return frozenset([uid for uid in among if flags[uid].flags & _DELETED])


def _without(uids: Sequence[int], gone: Sequence[int]) -> Sequence[int]:
    """``uids`` (ascending) but for ``gone``; the very same where nothing is."""
    if not gone:
        return uids
    if len(gone) * _MANY > len(uids):
        doomed = frozenset(gone)
        return array(_UIDS, [uid for uid in uids if uid not in doomed])
    left = array(_UIDS)
    at = 0
    for uid in sorted(gone):
        place = bisect_left(uids, uid, at)
        left.extend(uids[at:place])
        at = place + 1
    left.extend(uids[at:])
    return left


def with_fresh(uids: Sequence[int], came: Sequence[int]) -> Sequence[int]:
    """``uids`` (ascending) and those that ``came``."""
    fresh = sorted(came)
    if uids and fresh and fresh[0] < uids[-1]:
        return array(_UIDS, sorted((*uids, *fresh)))
    grown = array(_UIDS, uids)
    grown.extend(fresh)
    return grown


class SharedLook:
    """The newest look of one mailbox, for all sessions that have it selected."""

    def __init__(self, engine: Engine, account_id: int, mailbox_id: int) -> None:
        self._engine = engine
        self.account_id = account_id
        self.mailbox_id = mailbox_id
        self._last: Look | None = None
        self._as_of = 0
        """The newest commit that :attr:`_last` knows of, its own change or not."""
        self.recent_from = 0
        """UIDs below it have been \\Recent in some session already (RFC 3501 §2.3.2)."""
        self.held_by = 0

    @property
    def messages(self) -> int:
        """As of the last look, and one more: even an empty mailbox takes some room."""
        return 1 + len(self._last.uids) if self._last is not None else 1

    def now(self) -> Look:
        """The mailbox as it is now; NoSuchMailbox when it was deleted."""
        last = self._last
        if last is not None and self._engine.newest_commit() == self._as_of:
            return last
        look, as_of = self._engine.read(
            keys.user_scope(self.account_id),
            lambda snap: (take_look(snap, self.mailbox_id, last), snap.commit_number()),
        )
        if look is None:
            raise NoSuchMailbox("The mailbox was deleted")
        self._last, self._as_of = look, as_of
        return look

    def follow(self, change: OwnChange) -> None:
        """A session has just done this: where nothing else happened meanwhile, the next look need not read it."""
        patched = self._last.patched(change) if self._last is not None else None
        if patched is not None:
            self._last = patched
            self._as_of = change.commit

    def untouched(self, commit: int) -> None:
        """Commit ``commit`` concerned other mailboxes alone; 0 when that is not known."""
        if commit == self._as_of + 1:
            self._as_of = commit


class Looks:
    """Finds the shared look of a mailbox. Some that nobody holds are kept: clients come back, and a look that is
    there is brought up to date in a hundredth of the time that reading it takes."""

    def __init__(self, engine: Engine, *, kept: int = 50_000) -> None:
        """``kept``: messages of all mailboxes that nobody holds, about 250 octets each."""
        self._engine = engine
        self._most = kept
        self._held: dict[tuple[int, int], SharedLook] = {}
        self._left: dict[tuple[int, int], SharedLook] = {}
        self._left_messages = 0

    def hold(self, account_id: int, mailbox_id: int) -> SharedLook:
        """Pair it with :meth:`release`."""
        key = (account_id, mailbox_id)
        shared = self._held.get(key)
        if shared is None:
            shared = self._take_back(key) or SharedLook(self._engine, account_id, mailbox_id)
            self._held[key] = shared
        shared.held_by += 1
        return shared

    def recent_from(self, account_id: int, mailbox_id: int) -> int:
        """UIDs below it have been \\Recent in a session, though the store may not know it yet."""
        key = (account_id, mailbox_id)
        shared = self._held.get(key) or self._left.get(key)
        return shared.recent_from if shared is not None else 0

    def release(self, shared: SharedLook) -> None:
        shared.held_by -= 1
        if shared.held_by == 0:
            key = (shared.account_id, shared.mailbox_id)
            del self._held[key]
            if shared.messages <= self._most:
                self._left[key] = shared
                self._left_messages += shared.messages
            while self._left_messages > self._most:
                # The one that was left longest ago.
                self._take_back(next(iter(self._left)))

    def _take_back(self, key: tuple[int, int]) -> SharedLook | None:
        shared = self._left.pop(key, None)
        if shared is not None:
            self._left_messages -= shared.messages
        return shared

    def __len__(self) -> int:
        """Mailboxes that are looked at."""
        return len(self._held)
