"""The mail log (scope LOG): what happened to messages, by message, by address, by Message-ID, by words of the subject.

Events of a message lie together, ordered by time. Look-ups point to messages, so that one address finds the whole story
of its mail, whoever else an event names. Ids ascend with time, so a window of time is a range of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from xtramail.model.address import key_of
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_class
from xtramail.model.collation import searchfold
from xtramail.model.ids import MessageId
from xtramail.store import keys, log_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import LogEvent, decode, encode

MESSAGE_ID_FIELD = "message-id"
"""Name in ``LogEvent.fields`` under which an event carries the Message-ID of the header."""
SUBJECT_FIELD = "subject"
"""The same of its subject, the words of which are looked up."""
MOST_WORDS = 8
"""Words of a subject that find it, the first ones: each is a row more for every message."""
LAST_ID = MessageId(0x7FFF_FFFF_FFFF_FFFF)
_STEP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Messages for which everything named here is true; ``low`` <= id < ``high`` (``model.ids.id_at``)."""

    addresses: tuple[str, ...] = ()
    """Each of them sent it, or was to get it; case does not matter."""
    message_ids: tuple[str, ...] = ()
    """Of headers, ``<...>``."""
    words: tuple[str, ...] = ()
    """As :func:`subject_words` gives them."""
    low: int = 0
    high: int = LAST_ID


@dataclass(frozen=True, slots=True)
class Found:
    """``ids`` ascending, which is by time."""

    ids: tuple[int, ...]
    more: bool
    """There are older ones that were not asked for."""


def record(txn: Txn, bucket: Bucket, event: LogEvent) -> None:
    """Write an event and its look-ups; ``bucket`` is today's of CLASS_LOG. Writing it again changes nothing."""
    value = encode(event)
    txn.put(bucket, log_keys.event(event.message_id, event.at, blake2b(value, digest_size=4).digest()), value)
    found_by = [log_keys.event_address(address, event.message_id) for address in _addresses(event)]
    if text := event.fields.get(MESSAGE_ID_FIELD, ""):
        found_by.append(log_keys.event_message_id(text, event.message_id))
    for word in subject_words(event.fields.get(SUBJECT_FIELD, ""))[:MOST_WORDS]:
        found_by.append(log_keys.event_word(word, event.message_id))
    txn.put_all(bucket, [(key, b"") for key in sorted(found_by)])


def subject_words(subject: str) -> list[str]:
    """The words by which a subject is found, folded, each once; ``Re:`` and words of two letters are none."""
    words = dict.fromkeys(re.findall(r"\w+", searchfold(subject)))
    return [word for word in words if not (word.isascii() and word.isalpha()) or len(word) > 2 and word != "fwd"]


def events_of(snap: Snapshot, message_id: int) -> list[LogEvent]:
    """Everything that is known of a message, by time."""
    low = log_keys.event_prefix(message_id)
    high = keys.after(low)
    events = [
        decode(value, LogEvent)
        for bucket in _log_buckets(snap)
        for _, value in snap.range(bucket, low, high)
    ]
    return sorted(events, key=lambda event: event.at)


def search(snap: Snapshot, query: Query, limit: int) -> Found:
    """The newest ``limit`` messages that a query describes."""
    prefixes = [
        *(log_keys.event_address_prefix(_folded(address)) for address in query.addresses),
        *(log_keys.event_message_id_prefix(text) for text in query.message_ids),
        *(log_keys.event_word_prefix(word) for word in query.words),
    ]
    ids: set[int] | None = None
    for prefix in prefixes:
        found = _found(snap, prefix, query.low, query.high)
        ids = found if ids is None else ids & found
        if not ids:
            break
    if ids is None:
        # One more than is shown, to know whether there is more.
        ids = set(_newest(snap, query.low, query.high, limit + 1))
    newest = sorted(ids)[-limit:]
    return Found(ids=tuple(newest), more=len(ids) > len(newest))


def last_delivered(snap: Snapshot, address: str, most: int = 50) -> float | None:
    """When a message was last delivered to an address, as far as the log of its ``most`` newest messages says."""
    wanted = _folded(address)
    for message_id in sorted(_found(snap, log_keys.event_address_prefix(wanted)), reverse=True)[:most]:
        for event in reversed(events_of(snap, message_id)):
            named = wanted in map(_folded, event.recipients)
            if named and event.kind == "attempt" and event.fields.get("fate") == "delivered":
                return event.at
    return None


def _found(snap: Snapshot, prefix: bytes, low: int = 0, high: int = LAST_ID) -> set[int]:
    first, last = log_keys.event_from(prefix, low), log_keys.event_from(prefix, high)
    return {log_keys.event_message(key) for bucket in _log_buckets(snap) for key, _ in snap.range(bucket, first, last)}


def _newest(snap: Snapshot, low: int, high: int, most: int) -> Iterator[int]:
    """Of each day the newest ids, at most ``most``, from ``low`` on and below ``high``."""
    for bucket in _log_buckets(snap):
        end, left = high, most
        while left:
            first, last = log_keys.event_prefix(low), log_keys.event_prefix(end)
            rows = snap.range(bucket, first, last, limit=_STEP, reverse=True)
            ids = sorted({log_keys.event_of(key) for key, _ in rows}, reverse=True)[:left]
            yield from ids
            left -= len(ids)
            if not ids or len(rows) < _STEP:
                break
            end = ids[-1]


def _log_buckets(snap: Snapshot) -> list[Bucket]:
    return [bucket for bucket in snap.buckets() if bucket_class(bucket) == CLASS_LOG]


def _addresses(event: LogEvent) -> Iterable[str]:
    return {_folded(address) for address in (event.sender, *event.recipients) if address}


def _folded(address: str) -> str:
    return key_of(address)
