"""Scopes, what keys are made of, the keys of the store itself, users and bodies, and the format number.

Keys of the queue, of the log and of a domain are made by ``queue_keys``, ``log_keys`` and ``domain_keys``. Nothing else
builds or takes apart a key.

Physical key = bucket u32 | scope | 0x00 | key, built by the engine; here are scopes and keys. Integers are big-endian,
so that keys sort as their numbers do. Names of any length (mailboxes, Message-IDs, addresses, recipients) are hashed to
16 octets and kept in the value: a physical key stays under 511 octets.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b

FORMAT = 2
"""Raised when a key or a record changes its meaning; ``store/schema`` compares it with the store's own."""

STORE = b"s"
QUEUE = b"q0"
LOG = b"l"
BODY = b"b"
DOMAIN_CHANGES = b"c"
"""Has no rows: every change of a domain's settings is a transaction of this scope, too, for those who watch it."""
ALERTS = b"a"
LOGINS = b"w"
"""Who logged in when, of all users: a batch is one transaction, and wakes nobody's session."""
AUDIT = b"h"
"""The history of every change of the directory."""
SENDING = b"o"
"""What each sender sent to the world lately, and who may send nothing there."""
ROLES = b"r"
"""Tenants, admins and their tokens."""
DRILLS = b"p"
"""Drills of all domains, so that those that run are found at one look."""

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_TAG_U32 = struct.Struct(">cI")
_TAG_U32_U32 = struct.Struct(">cII")
_TAG_U32_U32_U32 = struct.Struct(">cIII")
_TAG_U64 = struct.Struct(">cQ")
_TAG_U64_U32 = struct.Struct(">cQI")
_TAG_U64_U64 = struct.Struct(">cQQ")


def user_scope(account_id: int) -> bytes:
    """One user's mail and settings."""
    return b"u%08x" % account_id


USER_PREFIX = b"u"
"""What every user scope begins with."""


def account_of_scope(scope: bytes) -> int:
    return int(scope[1:], 16)


def domain_scope(domain_key: str) -> bytes:
    """One domain's directory; ``domain_key`` as ``model.address.domain_key`` makes it (ASCII, at most 253 octets)."""
    return b"d" + domain_key.encode("ascii")


DOMAIN_PREFIX = b"d"
"""What every domain scope begins with."""


def domain_of_scope(scope: bytes) -> str:
    return scope[1:].decode("ascii")


def hashed(text: str) -> bytes:
    """16 octets that stand for ``text`` in keys."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def after(prefix: bytes) -> bytes:
    """The first key behind all keys that begin with ``prefix`` (which is not all 0xFF): the ``high`` of a range."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def micros(seconds: float) -> int:
    """Microseconds since 1970, never negative: the form of a time inside a key."""
    return max(int(seconds * 1_000_000), 0)


# Scope STORE, bucket 0.

FORMAT_NUMBER = b"F"
NEXT_ACCOUNT = b"A"
RETENTION_CLASSES = b"R"
CLOCK_STATE = b"T"
"""What expiry knows of the clock (``delivery/clock_rule``)."""
LAST_BACKUP = b"B"
"""When a backup was last written."""
UPGRADE = b"U"
"""How far a step to another format is (``store/upgrade``); there is none while it is whole."""
STS_POLICIES = b"P"
"""MTA-STS policies of the world's domains (``store/sts_policies``): their number, and behind it each of them."""


def sts_policy(domain: str) -> bytes:
    return STS_POLICIES + hashed(domain)


def sts_policies() -> tuple[bytes, bytes]:
    """The range of all of them."""
    return STS_POLICIES + b"\x00", after(STS_POLICIES)


def retention_class(class_id: int) -> bytes:
    return _TAG_U32.pack(b"R", class_id)


def retention_class_of(key: bytes) -> int:
    return int(_U32.unpack_from(key, 1)[0])


DROP_VERSION = b"dv"
"""Counts the changes of drop marks: an engine reads the marks again only when it moved."""


def drop_mark(bucket: int) -> bytes:
    """Says that ``bucket`` is dropped, and since which MODSEQ; written by the engine alone."""
    return _TAG_U32.pack(b"d", bucket)


def is_drop_mark(key: bytes) -> bool:
    return len(key) == 5 and key[:1] == b"d"


def drop_mark_bucket(key: bytes) -> int:
    return int(_U32.unpack_from(key, 1)[0])


# Scope of a user, bucket 0.

ACCOUNT = b"U"
CLOCK = b"C"
MAILBOXES = b"M"
RECOVERED = 0
"""Mailbox id of what was expunged (``store/recovered``); the ids of all other mailboxes are above it."""
SUBSCRIPTIONS = b"S"
USAGE = b"q"
"""Octets held, by bucket (``store/usage``)."""
DEVICES = b"P"
TOTP = b"T"
"""Two-step sign-in (``store/second_steps``)."""


def device(mark: bytes) -> bytes:
    """A device password; ``mark`` is its keyed hash, so that a login is one exact look-up."""
    return b"P" + mark


def device_mark(key: bytes) -> bytes:
    """Of a key made by :func:`device`."""
    return key[1:]


def mailbox(mailbox_id: int) -> bytes:
    return _TAG_U32.pack(b"M", mailbox_id)


def mailbox_name(name: str) -> bytes:
    return b"N" + hashed(name)


def subscription(name: str) -> bytes:
    return b"S" + hashed(name)


def keywords(mailbox_id: int) -> bytes:
    return _TAG_U32.pack(b"K", mailbox_id)


# Scope of a user, the message's bucket.

FLAGS = b"f"
MESSAGES = b"m"
COUNTERS = b"c"
MESSAGE_IDS = b"i"
RECOVERABLES = b"r"
RECOVERED_PLACES = b"p"
IMPORTED = b"h"


def flags(mailbox_id: int, uid: int) -> bytes:
    return _TAG_U32_U32.pack(b"f", mailbox_id, uid)


def flags_of(mailbox_id: int, uids: Sequence[int]) -> list[bytes]:
    """:func:`flags` of many."""
    pack = _TAG_U32_U32.pack
    return [pack(b"f", mailbox_id, uid) for uid in uids]


def message(mailbox_id: int, uid: int) -> bytes:
    return _TAG_U32_U32.pack(b"m", mailbox_id, uid)


def message_overflow(mailbox_id: int, uid: int, piece: int) -> bytes:
    """What of a message row does not fit into one value (a thousand parts, a header of 256 KiB)."""
    return _TAG_U32_U32_U32.pack(b"n", mailbox_id, uid, piece)


def counters(mailbox_id: int) -> bytes:
    return _TAG_U32.pack(b"c", mailbox_id)


def counters_mailbox(key: bytes) -> int:
    return int(_U32.unpack_from(key, 1)[0])


def message_id_prefix(message_id: str) -> bytes:
    return b"i" + hashed(message_id)


def message_id(message_id: str, mailbox_id: int, uid: int) -> bytes:
    """One row for each message that carries the Message-ID: a copy in Sent and one in INBOX have both."""
    return b"i" + hashed(message_id) + _U32.pack(mailbox_id) + _U32.pack(uid)


def message_id_place(key: bytes) -> tuple[int, int]:
    """Mailbox id and UID."""
    return int(_U32.unpack_from(key, 17)[0]), int(_U32.unpack_from(key, 21)[0])


def recoverable(number: int) -> bytes:
    """``number``: the UID that the message has in Recovered, ascending in order of expunging."""
    return _TAG_U32.pack(b"r", number)


def recoverable_number(key: bytes) -> int:
    return int(_U32.unpack_from(key, 1)[0])


def recovered_place(mailbox_id: int, uid: int) -> bytes:
    """Leads from where an expunged message lay to the number under which it is recoverable."""
    return _TAG_U32_U32.pack(b"p", mailbox_id, uid)


def imported(mark: bytes) -> bytes:
    """``mark``: 16 octets that stand for a message handed in by an import (``store/imported``)."""
    return IMPORTED + mark


def message_place(key: bytes) -> tuple[int, int]:
    """Mailbox id and UID, of a key made by ``flags``, ``message`` or ``recovered_place``."""
    return int(_U32.unpack_from(key, 1)[0]), int(_U32.unpack_from(key, 5)[0])


def uid_of(key: bytes) -> int:
    """Of a key made by ``flags`` or ``message``."""
    return int(_U32.unpack_from(key, 5)[0])


def uids_of(keys: Sequence[bytes]) -> tuple[int, ...]:
    """``uid_of`` for many keys of one tag, bare or physical ones of one scope, ten times faster than one by one."""
    before = len(keys[0]) - 4 if keys else 0
    return struct.unpack(">" + f"{before}xI" * len(keys), b"".join(keys))


# Scope BODY, the message's bucket.


def body_chunk(body_id: int, chunk: int) -> bytes:
    return _TAG_U64_U32.pack(b"b", body_id, chunk)


def search_text_prefix(body_id: int) -> bytes:
    return _TAG_U64.pack(b"x", body_id)


def search_text(body_id: int, chunk: int) -> bytes:
    return _TAG_U64_U32.pack(b"x", body_id, chunk)


# Scope LOGINS, bucket 0.

KNOWN_BLOCKS = b"b"


def last_logins(account_id: int) -> bytes:
    return _TAG_U32.pack(b"l", account_id)


def known_block(block: str) -> bytes:
    """``block``: as ``Peer.block`` has it."""
    return KNOWN_BLOCKS + block.encode()


def device_uses(account_id: int) -> bytes:
    """What the last uses of all device passwords of an account begin with."""
    return _TAG_U32.pack(b"d", account_id)


def device_use(account_id: int, mark: bytes) -> bytes:
    return _TAG_U32.pack(b"d", account_id) + mark


# Scope DRILLS, bucket 0.

DRILL_ROWS = b"d"
DRILL_PILOTS = b"u"
DRILLS_RUNNING = b"r"


def drill(number: int) -> bytes:
    """``number``: microseconds since 1970 at which it began; it is its id, too."""
    return _TAG_U64.pack(b"d", number)


def drill_running(number: int) -> bytes:
    """It is not over."""
    return _TAG_U64.pack(b"r", number)


def drill_running_of(key: bytes) -> int:
    return int(_U64.unpack_from(key, 1)[0])


def drill_pilots(number: int) -> bytes:
    """What the keys of a drill's pilots begin with."""
    return _TAG_U64.pack(b"u", number)


def drill_pilot(number: int, account_id: int) -> bytes:
    return _TAG_U64_U32.pack(b"u", number, account_id)


def in_drill(account_id: int) -> bytes:
    """The drill that a user takes part in now."""
    return _TAG_U32.pack(b"p", account_id)


# Scope ALERTS, bucket 0.

ALERT_ROWS = b"a"
ALERTS_OWING = b"o"
ALERT_COUNT = b"n"


def alert(number: int) -> bytes:
    return _TAG_U64.pack(b"a", number)


def alert_of(key: bytes) -> int:
    """The number, of a key made by ``alert``."""
    return int(_U64.unpack_from(key, 1)[0])


def alert_owing(at: float, number: int) -> bytes:
    """Somebody has still to hear of it, and it is looked at then."""
    return _TAG_U64_U64.pack(b"o", micros(at), number)


def alerts_owing_until(at: float) -> bytes:
    """``high`` of a range over everything that is looked at by then."""
    return _TAG_U64.pack(b"o", micros(at) + 1)


def alert_owing_of(key: bytes) -> int:
    return int(_U64.unpack_from(key, 9)[0])


def alert_topic(kind: str, domain: str) -> bytes:
    return b"k" + hashed(f"{kind}\0{domain}")
