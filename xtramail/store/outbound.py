"""The queue (scope QUEUE): one entry for each message and destination domain, with indexes by due time and destination.

* ``e`` is the entry, ``x`` its place in the order of its destination, ``t`` the moment at which somebody should look
  at it: its due time, or the end of its lease. Held entries have no ``t``. ``t`` is kept apart for each destination
  (the row's value names it), so that ten thousand entries of one host never stand before one of another.
* ``d`` says of a destination that it is closed (held, or its primary away) or draining (its primary is just back). Its
  entries are not rewritten, whatever their number: who takes work looks at it first.

What became of each recipient is the ``ledger``'s, changed in the same transactions.
"""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import Corrupt
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.model.primary import CLOSED
from xtramail.store import keys, queue_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.ledger import Balance as Balance
from xtramail.store.ledger import balance as balance
from xtramail.store.ledger import ledger_of as ledger_of
from xtramail.store.ledger import ledger_put as ledger_put
from xtramail.store.message_row import BodyRef
from xtramail.store.records import Destination, LedgerRow, QueueEntry, decode, encode


def enqueue(txn: Txn, entry: QueueEntry) -> None:
    """Put a new entry in; ValueError when its id is taken."""
    if txn.get(PERMANENT, queue_keys.entry(entry.id)) is not None:
        raise ValueError("a queue entry with this id exists already")
    _write(txn, entry)
    txn.put(PERMANENT, queue_keys.by_destination(entry.destination, entry.arrival, entry.id), b"")


def first_row(entry: QueueEntry, at: float) -> LedgerRow:
    """What the ledger says of each recipient of a new entry."""
    return LedgerRow(
        fate=Fate.HELD.value,
        at=at,
        destination=entry.destination,
        kind="sent" if entry.kind == "sent" else "",
        body=0 if entry.body.id == entry.message_id else entry.body.id,
    )


def update(txn: Txn, entry: QueueEntry) -> None:
    """Write a changed entry and move its index rows; one that was completed meanwhile is put in again.

    Where its body lies is not changed by it: the body may have moved (:func:`repoint`) since the caller read the entry.
    """
    old = find(txn, entry.id)
    if old is not None:
        entry = replace(entry, body=old.body)
        txn.delete(PERMANENT, due_key(old))
        if (old.destination, old.arrival) != (entry.destination, entry.arrival):
            txn.delete(PERMANENT, queue_keys.by_destination(old.destination, old.arrival, old.id))
    _write(txn, entry)
    txn.put(PERMANENT, queue_keys.by_destination(entry.destination, entry.arrival, entry.id), b"")


def repoint(txn: Txn, entry_id: int, body: BodyRef) -> None:
    """Say that an entry's body lies somewhere else now."""
    current = find(txn, entry_id)
    if current is not None:
        txn.put(PERMANENT, queue_keys.entry(entry_id), encode(replace(current, body=body)))


def complete(txn: Txn, entry_id: int) -> bool:
    """Take an entry out; whether it was there."""
    entry = find(txn, entry_id)
    if entry is None:
        return False
    txn.delete(PERMANENT, due_key(entry))
    txn.delete(PERMANENT, queue_keys.by_destination(entry.destination, entry.arrival, entry.id))
    txn.delete(PERMANENT, queue_keys.entry(entry.id))
    return True


def find(snap: Snapshot, entry_id: int) -> QueueEntry | None:
    """The entry, None when it is completed."""
    value = snap.get(PERMANENT, queue_keys.entry(entry_id))
    return decode(value, QueueEntry) if value is not None else None


entry = find


def look_at(entry: QueueEntry) -> float:
    """When the entry is to be looked at: at the end of its lease, else when it is due."""
    return entry.lease_until or entry.due


def due_key(entry: QueueEntry) -> bytes:
    """Its row in the index ``t``."""
    return queue_keys.due(entry.destination, look_at(entry), entry.id)


def is_open(entry: QueueEntry) -> bool:
    """Whether any recipient's fate is open."""
    return any(recipient.fate in OPEN_FATES for recipient in entry.recipients)


def due(snap: Snapshot, destination: str, now: float, limit: int = 100) -> list[int]:
    """Ids of a destination's entries to look at by ``now``, the longest due first; leases that ran out are among
    them.
    """
    low, high = queue_keys.due_prefix(destination), queue_keys.due_until(destination, now)
    rows = snap.range(PERMANENT, low, high, limit=limit)
    return [queue_keys.due_entry(key) for key, _ in rows]


def later(snap: Snapshot, destination: str, now: float) -> list[int]:
    """Ids of a destination's entries that are to be looked at after ``now``, the soonest first."""
    high = keys.after(queue_keys.due_prefix(destination))
    return [queue_keys.due_entry(key) for key, _ in snap.range(PERMANENT, queue_keys.due_until(destination, now), high)]


def due_destinations(snap: Snapshot, now: float) -> list[str]:
    """Names of the destinations with entries to look at by ``now``; a seek for each that has entries at all."""
    names: list[str] = []
    low, high = queue_keys.DUE, keys.after(queue_keys.DUE)
    while rows := snap.range(PERMANENT, low, high, limit=1):
        key, name = rows[0]
        if queue_keys.due_time(key) <= now:
            names.append(name.decode())
        low = keys.after(queue_keys.due_destination(key))
    return names


def lease(txn: Txn, entry_id: int, now: float, seconds: float, owner: str) -> QueueEntry | None:
    """The right to work on an entry until ``now + seconds``; the entry as it is then.

    None when it is completed, held, leased by another, or its destination is closed. Being due is not asked: an entry
    of a destination that came back is worked on at once.
    """
    current = find(txn, entry_id)
    if current is None or current.held:
        return None
    if destination_closed(txn, current.destination) is not None:
        return None
    return take(txn, entry_id, now, seconds, owner)


def take(txn: Txn, entry_id: int, now: float, seconds: float, owner: str) -> QueueEntry | None:
    """The same right where nothing is to be handed over: what is held can be given up, too."""
    current = find(txn, entry_id)
    if current is None or (current.lease_until > now and current.lease_owner != owner):
        return None
    leased = replace(current, lease_until=now + seconds, lease_owner=owner)
    update(txn, leased)
    return leased


def entries(snap: Snapshot, destination: str | None = None, limit: int = 0) -> list[QueueEntry]:
    """Entries of one destination by arrival, or of all by id; at most ``limit`` (0: all)."""
    if destination is None:
        rows = snap.range(PERMANENT, queue_keys.ENTRIES, keys.after(queue_keys.ENTRIES), limit=limit)
        return [decode(value, QueueEntry) for _, value in rows]
    found = (find(snap, entry_id) for entry_id in entry_ids(snap, destination, limit))
    return [entry for entry in found if entry is not None]


def entry_ids(snap: Snapshot, destination: str, limit: int = 0) -> list[int]:
    """Ids of a destination's entries by arrival."""
    return [entry_id for _, entry_id in arrivals(snap, destination, limit=limit)]


def arrivals(
    snap: Snapshot, destination: str, *, after: bytes = b"", before: float | None = None, limit: int = 0
) -> list[tuple[bytes, int]]:
    """A destination's entries by arrival: their place, and their id.

    ``after`` is a place that was given before; ``before`` a time at which arrivals end (that one excluded).
    """
    prefix = queue_keys.by_destination_prefix(destination)
    high = keys.after(prefix) if before is None else queue_keys.by_destination(destination, before, 0)
    rows = snap.range(PERMANENT, after + b"\0" if after else prefix, high, limit=limit)
    return [(key, queue_keys.by_destination_entry(key)) for key, _ in rows]


def place_from(destination: str, arrival: float) -> bytes:
    """The place before everything of a destination that arrived at ``arrival`` or later."""
    return queue_keys.by_destination(destination, arrival, 0)


def destinations(snap: Snapshot) -> list[str]:
    """Names of all destinations that have (readable) entries, sorted: a seek and a get for each."""
    names: list[str] = []
    low, high = queue_keys.BY_DESTINATION, keys.after(queue_keys.BY_DESTINATION)
    while rows := snap.range(PERMANENT, low, high, limit=1):
        try:
            first = find(snap, queue_keys.by_destination_entry(rows[0][0]))
        except Corrupt:
            # The engine reports it; one damaged entry must not hide everything behind it.
            first = None
        if first is None:
            low = rows[0][0] + b"\0"
            continue
        names.append(first.destination)
        low = keys.after(queue_keys.by_destination_prefix(first.destination))
    return sorted(names)


def oldest_arrival(snap: Snapshot) -> float | None:
    """When the oldest message arrived that still waits, in seconds since 1970; a seek for each destination."""
    oldest: float | None = None
    low, high = queue_keys.BY_DESTINATION, keys.after(queue_keys.BY_DESTINATION)
    while rows := snap.range(PERMANENT, low, high, limit=1):
        key = rows[0][0]
        at = queue_keys.by_destination_arrival(key)
        oldest = at if oldest is None else min(oldest, at)
        low = keys.after(queue_keys.by_destination_of(key))
    return oldest


def entries_after(snap: Snapshot, entry_id: int, limit: int) -> list[QueueEntry]:
    """Entries with ids above ``entry_id``, ascending: for walking a long queue in steps."""
    rows = snap.range(PERMANENT, queue_keys.entry(entry_id + 1), keys.after(queue_keys.ENTRIES), limit=limit)
    return [decode(value, QueueEntry) for _, value in rows]


def hold(txn: Txn, entry_id: int, reason: str) -> QueueEntry | None:
    """Hold one entry until :func:`release`; None when it is completed.

    A lease on it stays: its dot may be on the way, and until that is answered nobody else may say what becomes of it.
    """
    current = find(txn, entry_id)
    if current is None:
        return None
    held = replace(current, held=True, hold_reason=reason)
    update(txn, held)
    return held


def release(txn: Txn, entry_id: int, now: float) -> QueueEntry | None:
    """Let an entry go, held or not, due at once; None when it is completed.

    Where the answer to its dot was lost it may be sent again, once.
    """
    current = find(txn, entry_id)
    if current is None:
        return None
    recipients = tuple(replace(one, lost=0) if one.lost else one for one in current.recipients)
    freed = replace(current, held=False, hold_reason="", due=now, recipients=recipients)
    update(txn, freed)
    return freed


def insist(txn: Txn, entry_id: int, now: float) -> QueueEntry | None:
    """As :func:`release`, and it goes whatever became of the copies here: a person said so."""
    freed = release(txn, entry_id, now)
    if freed is None:
        return None
    freed = replace(freed, released=True)
    update(txn, freed)
    return freed


def set_destination(txn: Txn, row: Destination) -> None:
    """Say how it stands with a destination until :func:`clear_destination`."""
    txn.put(PERMANENT, queue_keys.destination(row.name), encode(row))


def clear_destination(txn: Txn, name: str) -> None:
    """Its mail simply goes (again)."""
    txn.delete(PERMANENT, queue_keys.destination(name))


def destination(snap: Snapshot, name: str) -> Destination | None:
    """How it stands with a destination; None where mail simply goes."""
    value = snap.get(PERMANENT, queue_keys.destination(name))
    return decode(value, Destination) if value is not None else None


def destination_closed(snap: Snapshot, name: str) -> Destination | None:
    """Why and since when nothing of a destination is leased, None when it is."""
    row = destination(snap, name)
    return row if row is not None and row.state in CLOSED else None


def unusual_destinations(snap: Snapshot) -> list[Destination]:
    """Every destination that is closed or draining."""
    rows = snap.range(PERMANENT, queue_keys.DESTINATIONS, keys.after(queue_keys.DESTINATIONS))
    return [decode(value, Destination) for _, value in rows]


def _write(txn: Txn, entry: QueueEntry) -> None:
    txn.put(PERMANENT, queue_keys.entry(entry.id), encode(entry))
    if not entry.held:
        txn.put(PERMANENT, due_key(entry), entry.destination.encode())
