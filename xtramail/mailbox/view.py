"""One selected mailbox as this client has been told it.

Owns message numbers: they change only when the client is told so (RFC 9051 §7.5.1), so that a number means the same to
both sides from one command to the next. Does not own reading the store (``look``) nor the wording of answers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from operator import getitem
from typing import NamedTuple

import msgspec

from xtramail.mailbox.look import Look, SharedLook, with_fresh
from xtramail.mailbox.terms import PLAIN, Terms
from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import BadInput, NoSuchMailbox
from xtramail.model.flags import Flag
from xtramail.model.sequence import SequenceSet
from xtramail.store.flag_changes import FlagMode, reflagged
from xtramail.store.records import FlagRow


class Access(Enum):
    """How the mailbox was selected."""

    READ_WRITE = "READ-WRITE"
    READ_ONLY = "READ-ONLY"


class Telling(Enum):
    """What the command that ends now lets the client be told (RFC 9051 §7.5.1)."""

    EVERYTHING = "everything"
    NO_EXPUNGES = "no expunges"
    """FETCH, STORE and SEARCH by number: an expunge told now would shift the numbers of the commands behind it."""


class Place(NamedTuple):
    """One message of a view: where its rows are and its flags as they are now (or were, when it is expunged)."""

    uid: int
    bucket: Bucket
    row: FlagRow


class Columns(NamedTuple):
    """The same of many messages, column by column."""

    uids: Sequence[int]
    buckets: Sequence[Bucket]
    flags: Sequence[FlagRow]


class FlagChange(msgspec.Struct, frozen=True):
    number: int
    uid: int
    row: FlagRow


class Changes(msgspec.Struct, frozen=True):
    """What to tell, in this order: expunges, keywords, exists and recent, flags."""

    expunged: tuple[tuple[int, int], ...] = ()
    """(message number, UID), the highest first, so that each number holds when its line is read."""
    keywords: tuple[str, ...] | None = None
    """All keyword names, when there are new ones."""
    exists: int | None = None
    recent: int | None = None
    flags: tuple[FlagChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.expunged or self.flags) or self.exists is not None or self.keywords is not None


NOTHING = Changes()


class View:
    """Between commands its numbers stand still; :meth:`sync` moves them on and says what the client must be told."""

    def __init__(self, shared: SharedLook, access: Access) -> None:
        self.shared = shared
        self.access = access
        self.terms: Terms = PLAIN
        """On which the client is told of changes."""
        self.saved: Sequence[int] = ()
        """UIDs that ``$`` stands for, ascending: a new SELECT saves nothing (RFC 5182 §2.1)."""
        self.behind = False
        """The client was told :attr:`settled` while it was older than what it has seen."""
        self.told: Look = shared.now()
        self.uids: Sequence[int] = self.told.uids
        self._gone: dict[int, Place] = {}
        self._settled = 0
        self._quiet: dict[int, int] = {}
        self._recent: set[int] = set()
        self._recent_taken = False
        self._take_recent(self.told, self.uids)

    # What is told

    @property
    def mailbox_id(self) -> int:
        return self.shared.mailbox_id

    @property
    def uidvalidity(self) -> int:
        return self.told.mailbox.uidvalidity

    @property
    def exists(self) -> int:
        return len(self.uids)

    @property
    def recent(self) -> int:
        return len(self._recent)

    @property
    def untold(self) -> bool:
        """Messages are gone that the client still counts."""
        return bool(self._gone)

    @property
    def settled(self) -> int:
        """MODSEQ up to which the client has been told everything; below :attr:`told` while expunges are untold."""
        return self._settled if self._gone else self.told.modseq

    @property
    def keywords(self) -> tuple[str, ...]:
        return self.told.keywords

    def is_recent(self, uid: int) -> bool:
        return uid in self._recent and not self.terms.rev2

    def takes_recent(self) -> bool:
        """Whether messages were \\Recent here since it was asked last: no other session is to be told so."""
        taken, self._recent_taken = self._recent_taken, False
        return taken

    def number(self, uid: int) -> int:
        """Message number of a UID of this view."""
        return bisect_left(self.uids, uid) + 1

    def first_unseen(self) -> int | None:
        """Number of the first message without \\Seen."""
        firsts = [part.first_unseen for part in self.told.parts.values() if part.first_unseen]
        return self.number(min(firsts)) if firsts else None

    def select_uids(self, numbers: SequenceSet) -> list[int]:
        """UIDs of a UID set; those that are not there are passed over (RFC 3501 §6.4.8)."""
        if numbers.saved:
            return self._still_told()
        return numbers.resolved(self.uids[-1] if self.uids else 0).select(self.uids)

    def select_numbers(self, numbers: SequenceSet) -> list[int]:
        """UIDs of a set of message numbers; BadInput for a number that is not there (RFC 3501 §9, ``seq-number``).

        ``1:*`` in an empty mailbox names nothing and is let pass: clients ask it without looking at EXISTS.
        """
        if numbers.saved:
            return self._still_told()
        count = len(self.uids)
        resolved = numbers.resolved(count)
        if not count and numbers.star:
            return []
        if resolved and resolved.ranges[-1][1] > count:
            raise BadInput(f"There are only {count} messages")
        return [uid for low, high in resolved.ranges for uid in self.uids[low - 1 : high]]

    def _still_told(self) -> list[int]:
        """What was saved and has not been told to be expunged since."""
        flags = self.told.flags
        return [uid for uid in self.saved if uid in flags or uid in self._gone]

    def places(self, uids: Sequence[int]) -> list[Place]:
        """Where the messages are; an expunged one that the client still counts is found where it was."""
        parts, homes, found = self.told.parts, self.told.homes, []
        for uid in uids:
            bucket = homes.get(uid, PERMANENT)
            part = parts.get(bucket)
            row = part.flags.get(uid) if part is not None else None
            if row is not None:
                found.append(Place(uid, bucket, row))
            elif uid in self._gone:
                found.append(self._gone[uid])
        return found

    def columns(self, uids: Sequence[int]) -> Columns:
        """As :meth:`places`."""
        homes, parts = self.told.homes, self.told.parts
        try:
            buckets = list(map(homes.__getitem__, uids))
            flags = {bucket: parts[bucket].flags for bucket in set(buckets)}
            return Columns(uids, buckets, list(map(getitem, map(flags.__getitem__, buckets), uids)))
        except KeyError:
            # Some were expunged, and this client counts them still.
            found = self.places(uids)
            return Columns(
                [place.uid for place in found], [place.bucket for place in found], [place.row for place in found]
            )

    def numbers(self, uids: Sequence[int]) -> Sequence[int]:
        """:meth:`number` of each of ``uids``, ascending ones of this view."""
        if not uids:
            return ()
        all_uids = self.uids
        start = bisect_left(all_uids, uids[0])
        end = start + len(uids)
        if end <= len(all_uids) and all_uids[end - 1] == uids[-1]:
            # All between its ends: they are as many.
            return range(start + 1, end + 1)
        return [bisect_left(all_uids, uid) + 1 for uid in uids]

    @property
    def any_recent(self) -> bool:
        """Some message may be told as \\Recent."""
        return bool(self._recent)

    def expunged(self, uid: int) -> bool:
        """The message is gone and the client was not told yet."""
        return uid in self._gone

    def reflag_gone(self, uids: Iterable[int], mode: FlagMode, flags: Flag, keywords: Sequence[str]) -> list[int]:
        """Of ``uids``, the messages that are gone and not told to be, as they would be had STORE found them.

        A client that still counts them sees its change (RFC 2180 §4.2.1); nobody else does.
        """
        gone = [self._gone[uid] for uid in uids if uid in self._gone]
        if not gone:
            return []
        numbers = {name.lower(): number for number, name in enumerate(self.keywords)}
        named = frozenset(numbers[name.lower()] for name in keywords if name.lower() in numbers)
        for place in gone:
            bits, ids = reflagged(place.row, mode, int(flags), named)
            row = FlagRow(modseq=place.row.modseq, flags=bits, keywords=ids, savedate=place.row.savedate)
            self._gone[place.uid] = Place(uid=place.uid, bucket=place.bucket, row=row)
        return [place.uid for place in gone]

    # What changed

    def quieten(self, changed: Mapping[int, FlagRow]) -> None:
        """The client knows of these flag changes already: it made them silently, or has just read the answer."""
        self._quiet.update((uid, row.modseq) for uid, row in changed.items())

    def sync(self, telling: Telling) -> Changes:
        """Move on to the mailbox as it is now; NoSuchMailbox when it was deleted or made anew."""
        before, now = self.told, self.shared.now()
        if now is before and not (self._gone and telling is Telling.EVERYTHING):
            return NOTHING
        if now.mailbox.uidvalidity != self.uidvalidity:
            raise NoSuchMailbox("The mailbox was made anew")
        exists = recent = None
        expunged: tuple[tuple[int, int], ...] = ()
        if not self._gone:
            self._settled = before.modseq
        if now.uids is not before.uids:
            self._find_gone(before, now)
        told_count, told_recent = len(self.uids), len(self._recent)
        if self._gone and telling is Telling.EVERYTHING:
            expunged = tuple((self.number(uid), uid) for uid in sorted(self._gone, reverse=True))
            self._recent.difference_update(self._gone)
            self._gone.clear()
            told_count -= len(expunged)
        fresh = self._fresh(now)
        if self._gone:
            self.uids = with_fresh(self.uids, fresh) if fresh else self.uids
        else:
            self.uids = now.uids
        if fresh:
            self._take_recent(now, fresh)
        if len(self.uids) != told_count:
            exists = len(self.uids)
        if exists is not None or len(self._recent) != told_recent:
            recent = len(self._recent)
        flags = self._changed_flags(before, now)
        self.told = now
        return Changes(
            expunged=expunged,
            keywords=now.keywords if now.keywords != before.keywords else None,
            exists=exists,
            recent=recent,
            flags=flags,
        )

    def _find_gone(self, before: Look, now: Look) -> None:
        if len(now.uids) - len(self._fresh(now)) == len(before.uids):
            # Mail came, and as many of those before are there as were: most often so, and a day may have thousands.
            return
        for bucket, part in before.parts.items():
            left = now.parts.get(bucket)
            if left is part:
                continue
            there: Mapping[int, FlagRow] = left.flags if left is not None else {}
            for uid in part.flags.keys() - there.keys():
                self._gone[uid] = Place(uid=uid, bucket=bucket, row=part.flags[uid])

    def _fresh(self, now: Look) -> Sequence[int]:
        """UIDs beyond the last one told: UIDs only ascend (RFC 9051 §2.3.1.1)."""
        return now.uids[bisect_left(now.uids, self.told.mailbox.uidnext) :]

    def _changed_flags(self, before: Look, now: Look) -> tuple[FlagChange, ...]:
        changed = []
        for bucket, part in now.parts.items():
            known = before.parts.get(bucket)
            if known is None or known is part:
                continue
            rows, quiet, old = part.flags, self._quiet, known.flags
            told = [uid for uid in part.changed_since(known.modseq) if quiet.get(uid) != rows[uid].modseq]
            changed += [uid for uid in told if uid in old and old[uid].modseq != rows[uid].modseq]
        self._quiet.clear()
        changed.sort()
        return tuple(FlagChange(number=self.number(uid), uid=uid, row=now.flags[uid]) for uid in changed)

    def _take_recent(self, look: Look, fresh: Sequence[int]) -> None:
        """\\Recent goes to one read-write session only; a read-only one sees it and leaves it (RFC 3501 §6.3.2)."""
        first = max(look.mailbox.first_recent, self.shared.recent_from)
        taken = fresh[bisect_left(fresh, first) :]
        self._recent.update(taken)
        if self.access is Access.READ_WRITE:
            self.shared.recent_from = max(self.shared.recent_from, look.mailbox.uidnext)
            self._recent_taken = self._recent_taken or bool(taken)
