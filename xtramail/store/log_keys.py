"""Keys of the log, all in the day's bucket of class CLASS_LOG. See ``keys``."""

from __future__ import annotations

import struct

from xtramail.store.keys import hashed, micros

_U64 = struct.Struct(">Q")
_TAG_U64 = struct.Struct(">cQ")
_TAG_U64_U64 = struct.Struct(">cQQ")

EVENTS = b"e"


def event_prefix(message_id: int) -> bytes:
    return _TAG_U64.pack(b"e", message_id)


def event(message_id: int, at: float, digest: bytes) -> bytes:
    """Ordered by message (ids ascend with time), then time; ``digest`` parts events of one microsecond."""
    return _TAG_U64_U64.pack(b"e", message_id, micros(at)) + digest


def event_of(key: bytes) -> int:
    """Our message id, out of an event's key."""
    return int(_U64.unpack_from(key, 1)[0])


def event_address_prefix(address: str) -> bytes:
    return b"r" + hashed(address)


def event_address(address: str, message_id: int) -> bytes:
    return b"r" + hashed(address) + _U64.pack(message_id)


def event_message_id_prefix(text: str) -> bytes:
    return b"i" + hashed(text)


def event_message_id(text: str, message_id: int) -> bytes:
    return b"i" + hashed(text) + _U64.pack(message_id)


def event_word_prefix(word: str) -> bytes:
    return b"w" + hashed(word)[:8]


def event_word(word: str, message_id: int) -> bytes:
    """``word`` of a subject, folded; half a hash, for there are several of them for each message."""
    return b"w" + hashed(word)[:8] + _U64.pack(message_id)


def event_from(prefix: bytes, message_id: int) -> bytes:
    """The first key behind a look-up's ``prefix`` for this message or a later one."""
    return prefix + _U64.pack(message_id)


def event_message(key: bytes) -> int:
    """Our message id, out of a look-up key."""
    return int.from_bytes(key[-8:], "big")


AUTH_EVENTS = b"a"


def auth_event(at: float, digest: bytes) -> bytes:
    """Ordered by time; ``digest`` parts events of one microsecond."""
    return _TAG_U64.pack(b"a", micros(at)) + digest


def auth_events_from(at: float) -> bytes:
    """The first key of an event at ``at`` or later."""
    return _TAG_U64.pack(b"a", micros(at))


def refused_prefix(domain: str) -> bytes:
    """What the rows of refusals by a domain's primary begin with."""
    return b"x" + hashed(domain)


def refused(domain: str, at: float, address: str) -> bytes:
    """Of each domain ordered by time."""
    return refused_from(domain, at) + hashed(address)


def refused_from(domain: str, at: float) -> bytes:
    """The first key of a refusal at ``at`` or later."""
    return refused_prefix(domain) + _U64.pack(micros(at))


def refused_at(key: bytes) -> float:
    """Seconds since 1970, of a key made by ``refused``."""
    return int(_U64.unpack_from(key, 17)[0]) / 1_000_000
