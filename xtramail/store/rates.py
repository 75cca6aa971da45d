"""How much each sender sent to the world in the last hour and day (scope SENDING), counted with what it sent.

Counts are kept in slots of five minutes for an hour, and in hours for a day: a row never has more than 37 of them. What
is asked of is an hour that rolls; a slot counts until all of it is over an hour old. A restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys, sending_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode

SLOT = 300
HOUR = 3_600
DAY = 86_400

Slot = tuple[int, int, int, int, int]
"""Number of the slot (time divided by its length), recipients, messages, octets, recipients that were refused."""


class SendingRow(Record, frozen=True):
    """Ascending by time."""

    slots: tuple[Slot, ...] = ()
    hours: tuple[Slot, ...] = ()
    """What is in ``slots`` no more."""


@dataclass(frozen=True, slots=True)
class Sent:
    recipients: int = 0
    messages: int = 0
    octets: int = 0
    bounced: int = 0
    """Recipients whom a host of the world refused for good."""


def sending(snap: Snapshot, who: bytes) -> SendingRow:
    """``who`` is a key of ``sending_keys``; an empty row for who sent nothing."""
    value = snap.get(PERMANENT, who)
    return decode(value, SendingRow) if value is not None else SendingRow()


def count(txn: Txn, who: bytes, more: Sent, now: float) -> SendingRow:
    """Add ``more``; the row as it is then."""
    row = _aged(sending(txn, who), now)
    fresh = (int(now) // SLOT, more.recipients, more.messages, more.octets, more.bounced)
    row = SendingRow(slots=_joined((*row.slots, fresh)), hours=row.hours)
    txn.put(PERMANENT, who, encode(row))
    return row


def forgive(txn: Txn, who: bytes, now: float) -> None:
    """The last hour counts for no limit any more; it still counts for the day."""
    row = sending(txn, who)
    if row.slots:
        txn.put(PERMANENT, who, encode(SendingRow(hours=_aged(_folded(row, row.slots), now).hours)))


def forget(txn: Txn, who: bytes) -> None:
    txn.delete(PERMANENT, who)


def senders(snap: Snapshot) -> list[tuple[bytes, SendingRow]]:
    """Every sender: users, then domains."""
    users = snap.range(PERMANENT, sending_keys.USERS, keys.after(sending_keys.USERS))
    hosts = snap.range(PERMANENT, sending_keys.DOMAINS, keys.after(sending_keys.DOMAINS))
    return [(key, decode(value, SendingRow)) for key, value in (*users, *hosts)]


def last_hour(row: SendingRow, now: float) -> Sent:
    """What counts for a limit."""
    return _sum(_aged(row, now).slots)


def last_day(row: SendingRow, now: float) -> Sent:
    aged = _aged(row, now)
    return _sum((*aged.slots, *aged.hours))


def room_at(row: SendingRow, now: float, *, limit: int, wanted: int) -> float:
    """When ``wanted`` more recipients are within ``limit`` an hour: now, or when enough slots are over (seconds)."""
    slots = _aged(row, now).slots
    left, at = sum(slot[1] for slot in slots), now
    for slot in slots:
        if left + wanted <= limit:
            break
        left -= slot[1]
        at = float((slot[0] + 1) * SLOT + HOUR)
    return at


def _aged(row: SendingRow, now: float) -> SendingRow:
    """What is over an hour old is in the hours, what is over a day old nowhere; what a clock gone wrong put into the
    future is left out."""
    old = tuple(slot for slot in row.slots if (slot[0] + 1) * SLOT <= now - HOUR)
    folded = _folded(row, old)
    return SendingRow(
        slots=tuple(slot for slot in folded.slots if slot[0] * SLOT <= now),
        hours=tuple(hour for hour in folded.hours if now - DAY < (hour[0] + 1) * HOUR and hour[0] * HOUR <= now),
    )


def _folded(row: SendingRow, old: tuple[Slot, ...]) -> SendingRow:
    """``old`` slots in the hours."""
    if not old:
        return row
    moved = tuple((slot[0] * SLOT // HOUR, *slot[1:]) for slot in old)
    gone = {slot[0] for slot in old}
    return SendingRow(
        slots=tuple(slot for slot in row.slots if slot[0] not in gone), hours=_joined((*row.hours, *moved))
    )


def _joined(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """One for each number, ascending."""
    found: dict[int, Slot] = {}
    for slot in slots:
        known = found.get(slot[0])
        if known is not None:
            slot = (slot[0], known[1] + slot[1], known[2] + slot[2], known[3] + slot[3], known[4] + slot[4])
        found[slot[0]] = slot
    return tuple(found[number] for number in sorted(found))


def _sum(slots: Iterable[Slot]) -> Sent:
    some = list(slots)
    return Sent(*(sum(slot[field] for slot in some) for field in range(1, 5)))
