"""The rows that an attempt leaves: the entry as it is after it, ledger rows, and what the log says of it.

Functions of a transaction, or pure; they may run twice. When they are written, and in whose name, is ``relay``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from xtramail.delivery.attempt import Part
from xtramail.delivery.courier import Carried
from xtramail.delivery.judgement import MOST_REPLY, Judgement, expired, shortened
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_at
from xtramail.model.ids import id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import alerts, outbound, tracking
from xtramail.store.engine import Txn
from xtramail.store.records import LedgerRow, LogEvent, QueueEntry, QueueRecipient

REFUSED = "message-held-for-refusal"
UNCONFIRMED = "message-unconfirmed"
"""Kinds of alerts."""


def after(
    entry: QueueEntry, judged: Mapping[str, Judgement], fault: str, due: float, now: float, *, over: bool
) -> QueueEntry:
    """The entry after an attempt; recipients that were decided meanwhile stay as they are. ``over``: its time is."""
    recipients = tuple(
        judged[r.address].on(r, now) if r.fate in OPEN_FATES and r.address in judged else r for r in entry.recipients
    )
    if over:
        recipients = tuple(expired(r, entry, now) if r.fate in OPEN_FATES else r for r in recipients)
    waiting = next((r.reply for r in recipients if r.fate in OPEN_FATES), "")
    return msgspec.structs.replace(
        entry,
        recipients=recipients,
        attempts=entry.attempts + 1,
        due=due,
        lease_until=0.0,
        lease_owner="",
        last_reply=waiting or shortened(fault, MOST_REPLY) or entry.last_reply,
    )


def decided(entry: QueueEntry, recipients: Mapping[str, QueueRecipient]) -> QueueEntry:
    """The entry with what was settled without asking its host, by address."""
    changed = tuple(recipients.get(r.address, r) if r.fate in OPEN_FATES else r for r in entry.recipients)
    return msgspec.structs.replace(entry, recipients=changed)


def changed(before: QueueEntry, after: QueueEntry) -> tuple[QueueRecipient, ...]:
    """The recipients that were tried, or given up, as they are now."""
    return tuple(new for old, new in zip(before.recipients, after.recipients, strict=True) if old != new)


def put(txn: Txn, entry: QueueEntry, parked: Mapping[str, str], fresh: int) -> QueueEntry:
    """Write an entry, or complete it; open recipients who are ``parked`` (by address: why) wait for a person.

    They are held as an entry of their own, with the id ``fresh``, where others of the same message go on: what can be
    done with a held entry can then be done with them. The entry that goes on, or is held as a whole.
    """
    stopped = tuple(r for r in entry.recipients if r.fate in OPEN_FATES and r.address in parked)
    if stopped:
        reason = parked[stopped[0].address]
        others = tuple(r for r in entry.recipients if r not in stopped)
        held = msgspec.structs.replace(
            entry, held=True, hold_reason=reason, lease_until=0.0, lease_owner="", last_reply=stopped[0].reply
        )
        if not any(r.fate in OPEN_FATES for r in others):
            outbound.update(txn, held)
            return held
        outbound.enqueue(txn, msgspec.structs.replace(held, id=fresh, recipients=stopped))
        entry = msgspec.structs.replace(entry, recipients=others)
    if outbound.is_open(entry):
        outbound.update(txn, entry)
    else:
        outbound.complete(txn, entry.id)
    return entry


def write_deliveries(txn: Txn, entry_id: int, judged: Mapping[str, Judgement], now: float) -> None:
    """Without a lease: only what is a fact. Who was delivered to must not get it once more from whoever has the entry
    now."""
    current = outbound.entry(txn, entry_id)
    if current is None:
        return
    facts = {address: one for address, one in judged.items() if one.fate == Fate.DELIVERED}
    recipients = tuple(
        facts[r.address].on(r, now) if r.fate in OPEN_FATES and r.address in facts else r for r in current.recipients
    )
    write_fates(txn, current, recipients, now)
    put(txn, msgspec.structs.replace(current, recipients=recipients), {}, 0)


def write_fates(txn: Txn, before: QueueEntry, after: Sequence[QueueRecipient], now: float) -> None:
    """Ledger rows of the recipients that changed. They lie where the body is, which may have moved since the lease."""
    bucket = Bucket(before.body.bucket)
    if bucket in txn.dropped():
        # Its days are over and its body could not be saved: the ledger of that day is gone as well.
        return
    for old, new in zip(before.recipients, after, strict=True):
        if old != new:
            row = LedgerRow(
                fate=new.fate, at=now, reply=new.reply, attempts=new.attempts, destination=before.destination
            )
            outbound.ledger_put(txn, bucket, before.message_id, new.address, row)


def tell(txn: Txn, events: Sequence[LogEvent], now: float) -> None:
    """Put events into the message log."""
    for event in events:
        tracking.record(txn, bucket_at(now, CLASS_LOG), event)


def events(
    entry: QueueEntry, tried: Sequence[QueueRecipient], parked: Mapping[str, str], now: float, carried: Carried | None
) -> Iterator[LogEvent]:
    """One attempt in the message log, an event for each outcome: who answered what. ``carried`` None: nobody was
    asked."""
    for word in dict.fromkeys(_word(recipient, parked) for recipient in tried):
        some = [recipient for recipient in tried if _word(recipient, parked) == word]
        answers = list(dict.fromkeys(recipient.reply for recipient in some if recipient.reply))
        reasons = list(dict.fromkeys(parked[one.address] for one in some if one.address in parked))
        fields = {"destination": entry.destination, "fate": word}
        if reasons:
            fields["reason"] = "; ".join(reasons)[:1000]
        if carried is not None:
            waits = word in ("deferred", Fate.UNCONFIRMED.value) and outbound.is_open(entry)
            fields |= {
                "host": carried.host,
                "tls": carried.tls,
                "tls-policy": carried.policy,
                "attempt": str(entry.attempts),
                "next": f"{entry.due:.0f}" if waits else "",
            }
        yield LogEvent(
            at=now,
            message_id=entry.message_id,
            kind="attempt" if carried is not None else word,
            sender=entry.reverse_path,
            recipients=tuple(recipient.address for recipient in some),
            text=f"{word}: {'; '.join([*reasons, *answers])[:1000] or 'no answer'}",
            fields=fields,
        )


def alarm(kind: str, entry: QueueEntry, parked: Mapping[str, str], now: float) -> list[Part]:
    """That a person has to decide, for the commit that makes it so; ``entry`` as it is then."""
    waiting = [one.address for one in entry.recipients if one.fate in OPEN_FATES and one.address in parked]
    if not waiting:
        return []
    domain, message, reason = entry.destination, id_text(entry.message_id), parked[waiting[0]]
    text = (
        f"mail for {domain} waits for you to decide: message {message} for {waiting[0]}: {reason}. See it with: "
        f"xtramail queue list --domain {domain}; then: xtramail queue release ID, or xtramail queue bounce ID"
    )
    return [alerts.raised(kind, domain, text, {"message": message, "recipient": waiting[0], "reason": reason}, now)]


def _word(recipient: QueueRecipient, parked: Mapping[str, str]) -> str:
    if recipient.address in parked and recipient.fate in OPEN_FATES:
        return "held for a person"
    return "deferred" if recipient.fate == Fate.HELD else recipient.fate
