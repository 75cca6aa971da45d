"""Which of a domain's stored mail a replay sends again, as far as the ledger says.

Pure but for :func:`read_rows`, which reads a slice of the ledger. Owns no network and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xtramail.delivery.accepted_rows import ends_here
from xtramail.model.bucket import Bucket
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import queue_keys
from xtramail.store.engine import Snapshot
from xtramail.store.records import DomainRow, LedgerRow, decode

SETTLES = 600.0
"""Seconds after which what a primary has just taken should be found in its mailboxes."""


class Why(StrEnum):
    """What a replay did with one message for one recipient."""

    QUEUED = "queued"
    WAITING = "waiting"
    """It waits in the queue already."""
    REPLAYED = "replayed"
    """A replay sent it before."""
    PRESENT = "present"
    """It lies in the mailbox at the primary."""
    DELETED = "deleted"
    """Its user deleted it."""
    BOUNCED = "bounced"
    """The primary refused it for good, and its sender was told where that may be done."""
    COPIES = "copies"
    """It came as a copy, or when the domain had no primary: we never handed it to one."""
    GONE = "gone"
    """Its octets are not here any more, or are damaged."""
    UNKNOWN = "unknown"
    """Nobody can look into the mailbox at the primary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """``start`` and ``end`` (that one excluded) in seconds since 1970, of arrival here."""

    domain: DomainRow
    start: float
    end: float
    user: str = ""
    """An ``Address.key``: only mail for this user; empty: for everybody."""
    sent: bool = False
    """Also what users sent, into their own mailboxes there."""
    only_missing: bool = False
    again: bool = False
    deleted: bool = False
    bounced: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    message_id: int
    ledger: LedgerRow

    @property
    def body_id(self) -> int:
        return self.ledger.body or self.message_id

    @property
    def repeats(self) -> bool:
        """It is another message's mail released once more: that one's row speaks for both."""
        return bool(self.ledger.body) and self.ledger.kind != "sent"


def settled(row: LedgerRow, wanted: Wanted, now: float) -> Why | None:
    """Why a row's mail is left alone; None: it is to be sent, for all that the ledger says."""
    if ends_here(row):
        return Why.COPIES
    if row.fate in OPEN_FATES:
        return Why.WAITING
    if row.fate == Fate.SUPPRESSED and not wanted.deleted:
        return Why.DELETED
    if row.fate == Fate.BOUNCED and not wanted.bounced:
        return Why.BOUNCED
    if row.replayed and not wanted.again and (not wanted.only_missing or now < row.at + SETTLES):
        return Why.REPLAYED
    return None


def read_rows(
    snap: Snapshot, bucket: Bucket, low: bytes, high: bytes, limit: int, domain: str
) -> tuple[list[Row], bytes | None]:
    """The domain's rows among the next ``limit`` ones, and where to go on (None: at the end)."""
    rows = snap.range(bucket, low, high, limit=limit)
    found = [(queue_keys.ledger_message(key), decode(value, LedgerRow)) for key, value in rows]
    mine = [Row(message_id, row) for message_id, row in found if row.destination == domain]
    return mine, rows[-1][0] + b"\0" if limit and len(rows) == limit else None
