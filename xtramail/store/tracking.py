"""The mail log (scope LOG): what happened to messages, by message, by address, and by Message-ID.

Events of a message lie together, ordered by time. Look-ups point to messages, so that one address finds the whole story
of its mail, whoever else an event names.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_class
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import LogEvent, decode, encode

MESSAGE_ID_FIELD = "message-id"
"""Name in ``LogEvent.fields`` under which an event carries the Message-ID of the header."""


def record(txn: Txn, bucket: Bucket, event: LogEvent) -> None:
    """Write an event and its look-ups; ``bucket`` is today's of CLASS_LOG. Writing it again changes nothing."""
    value = encode(event)
    txn.put(bucket, keys.event(event.message_id, event.at, blake2b(value, digest_size=4).digest()), value)
    for address in _addresses(event):
        txn.put(bucket, keys.event_address(address, event.message_id), b"")
    if text := event.fields.get(MESSAGE_ID_FIELD, ""):
        txn.put(bucket, keys.event_message_id(text, event.message_id), b"")


def events_of(snap: Snapshot, message_id: int) -> list[LogEvent]:
    """Everything that is known of a message, by time."""
    low = keys.event_prefix(message_id)
    high = keys.after(low)
    events = [
        decode(value, LogEvent)
        for bucket in _log_buckets(snap)
        for _, value in snap.range(bucket, low, high)
    ]
    return sorted(events, key=lambda event: event.at)


def by_address(snap: Snapshot, address: str, since: float = 0.0) -> list[LogEvent]:
    """Events since ``since`` of all messages that an address sent or was to get, by time; case does not matter."""
    ids = _found(snap, keys.event_address_prefix(_folded(address)))
    wanted = _folded(address)
    return _events(
        event
        for message_id in ids
        for event in events_of(snap, message_id)
        if event.at >= since and (message_id or wanted in _addresses(event))
    )


def by_message_id(snap: Snapshot, text: str) -> list[LogEvent]:
    """Events of all messages with this Message-ID in the header, by time."""
    ids = _found(snap, keys.event_message_id_prefix(text))
    return _events(event for message_id in ids if message_id for event in events_of(snap, message_id))


def last_delivered(snap: Snapshot, address: str, most: int = 50) -> float | None:
    """When a message was last delivered to an address, as far as the log of its ``most`` newest messages says."""
    wanted = _folded(address)
    for message_id in reversed(_found(snap, keys.event_address_prefix(wanted))[-most:]):
        for event in reversed(events_of(snap, message_id)):
            named = wanted in map(_folded, event.recipients)
            if named and event.kind == "attempt" and event.fields.get("fate") == "delivered":
                return event.at
    return None


def _events(events: Iterable[LogEvent]) -> list[LogEvent]:
    return sorted(events, key=lambda event: (event.at, event.message_id))


def _found(snap: Snapshot, prefix: bytes) -> list[int]:
    high = keys.after(prefix)
    return sorted(
        {keys.event_message(key) for bucket in _log_buckets(snap) for key, _ in snap.range(bucket, prefix, high)}
    )


def _log_buckets(snap: Snapshot) -> list[Bucket]:
    return [bucket for bucket in snap.buckets() if bucket_class(bucket) == CLASS_LOG]


def _addresses(event: LogEvent) -> set[str]:
    return {_folded(address) for address in (event.sender, *event.recipients) if address}


def _folded(address: str) -> str:
    return address.casefold()
