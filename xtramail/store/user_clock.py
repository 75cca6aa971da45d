"""What one user gives out and never gives twice: MODSEQ, UIDVALIDITY, mailbox ids."""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import LimitReached
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import UserClock, decode_clock, encode_clock

_MAX_MODSEQ = 0x7FFF_FFFF_FFFF_FFFF  # RFC 7162 §7: 63 bits
_MAX_U32 = 0xFFFF_FFFF


def clock_of(snap: Snapshot) -> UserClock:
    """What was given so far."""
    return decode_clock(snap.get(PERMANENT, keys.CLOCK))


def _put(txn: Txn, clock: UserClock) -> None:
    txn.put(PERMANENT, keys.CLOCK, encode_clock(clock))


def next_modseq(txn: Txn, now_micros: int) -> int:
    """A MODSEQ above every one given to this user and every drop stamp (RFC 7162 §3.1), whatever the clock says."""
    clock = clock_of(txn)
    modseq = min(max(clock.modseq + 1, now_micros, txn.newest_drop() + 1), _MAX_MODSEQ)
    if modseq <= clock.modseq:
        raise LimitReached("modification sequences are used up")
    _put(txn, replace(clock, modseq=modseq))
    return modseq


def next_mailbox(txn: Txn, now: float) -> tuple[int, int]:
    """Mailbox id and UIDVALIDITY (RFC 9051 §2.3.1.1): seconds of ``now``, but always above the last given."""
    clock = clock_of(txn)
    uidvalidity = max(clock.uidvalidity + 1, min(int(now), _MAX_U32))
    if uidvalidity > _MAX_U32 or clock.next_mailbox > _MAX_U32:
        raise LimitReached("mailbox numbers are used up")
    _put(txn, replace(clock, uidvalidity=uidvalidity, next_mailbox=clock.next_mailbox + 1))
    return clock.next_mailbox, uidvalidity


def skip_mailbox_ids(txn: Txn, count: int) -> None:
    """Never give the next ``count`` mailbox ids: they may have been given by somebody whose work was lost."""
    clock = clock_of(txn)
    _put(txn, replace(clock, next_mailbox=clock.next_mailbox + count))


def next_uidvalidity(txn: Txn, now: float) -> int:
    """A UIDVALIDITY for a mailbox that exists already and whose UIDs can no longer be trusted: after a restore."""
    clock = clock_of(txn)
    uidvalidity = max(clock.uidvalidity + 1, min(int(now), _MAX_U32))
    if uidvalidity > _MAX_U32:
        raise LimitReached("UIDVALIDITY values are used up")
    _put(txn, replace(clock, uidvalidity=uidvalidity))
    return uidvalidity
