"""What a store needs before it is used again after it came out of a backup.

Between the backup and now, mail was delivered, read and relayed that this store does not know of. So nothing it gave
out may be given again: mailboxes get new UIDVALIDITYs (RFC 9051 §2.3.1.1: UIDs of lost messages never mean others),
UIDs and mailbox ids skip ahead (UIDL of POP3 has no UIDVALIDITY), MODSEQ jumps ahead to the clock, and the queue is
held, its recipients unconfirmed, because each may have had the message. Owns that change; copying files is
``app/restore``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from xtramail.model.errors import NoSuchMessage
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import keys, ledger, outbound, recovered
from xtramail.store.engine import Engine, Txn
from xtramail.store.mailbox_rows import mailboxes, put_mailbox
from xtramail.store.records import LedgerRow, QueueEntry, QueueRecipient
from xtramail.store.user_clock import next_modseq, next_uidvalidity, skip_mailbox_ids

STEP = 100
SKIPPED_UIDS = 1_000_000
"""More than anybody gets between two backups; 2,000 restores keep UIDs under 2^31, which some clients need."""
SKIPPED_MAILBOXES = 10_000


@dataclass(frozen=True, slots=True)
class Renewed:
    """How much was changed."""

    mailboxes: int
    entries: int
    recipients: int
    """Recipients whose fate is unconfirmed now."""


async def renew(engine: Engine, now: float, reason: str) -> Renewed:
    """Make a restored store ready for use; ``reason`` is what the held queue entries say. Running it again is safe."""
    renewed = 0
    for scope in engine.scopes(keys.USER_PREFIX):
        renewed += await engine.transact(scope, lambda txn: _renew_user(txn, now))
    entries, recipients, last = 0, 0, -1
    while True:
        step = await engine.transact(keys.QUEUE, _hold_after(last, now, reason))
        if step is None:
            return Renewed(mailboxes=renewed, entries=entries, recipients=recipients)
        last = step[0]
        entries += step[1]
        recipients += step[2]


def _renew_user(txn: Txn, now: float) -> int:
    rows = mailboxes(txn)
    kept = recovered.recovered(txn)
    modseq = next_modseq(txn, keys.micros(now))
    skip_mailbox_ids(txn, SKIPPED_MAILBOXES)
    for row in (*rows, *([kept] if kept is not None else ())):
        fresh = replace(
            row,
            uidvalidity=next_uidvalidity(txn, now),
            uidnext=row.uidnext + SKIPPED_UIDS,
            highestmodseq=modseq,
        )
        put_mailbox(txn, fresh)
    return len(rows)


def _hold_after(last: int, now: float, reason: str) -> Callable[[Txn], tuple[int, int, int] | None]:
    def hold(txn: Txn) -> tuple[int, int, int] | None:
        entries = outbound.entries_after(txn, last, STEP)
        if not entries:
            return None
        unconfirmed = 0
        for entry in entries:
            unconfirmed += sum(recipient.fate in OPEN_FATES for recipient in entry.recipients)
            _hold(txn, entry, now, reason)
        return entries[-1].id, len(entries), unconfirmed

    return hold


def _hold(txn: Txn, entry: QueueEntry, now: float, reason: str) -> None:
    recipients = tuple(_unconfirmed(recipient, now, reason) for recipient in entry.recipients)
    held = replace(
        entry, held=True, hold_reason=reason, lease_until=0.0, lease_owner="", last_reply="", recipients=recipients
    )
    outbound.update(txn, held)
    for recipient in recipients:
        if recipient.fate != Fate.UNCONFIRMED:
            continue
        old = ledger.ledger_row(txn, entry.body.bucket, entry.message_id, recipient.address)
        # A notice of our own has no row, and a row whose days are over is not missed.
        if old is None or old.fate == Fate.UNCONFIRMED:
            continue
        row = LedgerRow(fate=Fate.UNCONFIRMED, at=now, reply=reason, attempts=old.attempts)
        try:
            ledger.ledger_put(txn, entry.body.bucket, entry.message_id, recipient.address, row)
        except NoSuchMessage:
            continue


def _unconfirmed(recipient: QueueRecipient, now: float, reason: str) -> QueueRecipient:
    if recipient.fate not in OPEN_FATES:
        return recipient
    return replace(recipient, fate=Fate.UNCONFIRMED, reply=reason, code=0, changed=now)
