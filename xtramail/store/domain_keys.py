"""Keys of one domain's directory, in bucket 0. See ``keys``."""

from __future__ import annotations

import struct

from xtramail.store.keys import hashed, micros

_TAG_U32 = struct.Struct(">cI")
_TAG_U64 = struct.Struct(">cQ")
_TAG_U64_U32 = struct.Struct(">cQI")

DOMAIN = b"D"
RECIPIENTS = b"R"


_LONGEST_LOCAL = 192


def _local(local_key: str) -> bytes:
    """As it is up to 192 octets, which 64 octets of a user's local part grow to at most when case is folded.

    Longer ones exist on the wire (rewritten senders, reply tokens); they are hashed behind an octet UTF-8 has not.
    """
    octets = local_key.encode("utf-8", "surrogatepass")
    return octets if len(octets) <= _LONGEST_LOCAL else b"\xff" + hashed(local_key)


def recipient(local_key: str) -> bytes:
    return b"R" + _local(local_key)


def recipient_local(key: bytes) -> str:
    return key[1:].decode("utf-8")


def asked(local_key: str) -> bytes:
    """What the primary said of a recipient."""
    return b"a" + _local(local_key)


PLACES = b"r"


def place(local_key: str) -> bytes:
    """Where an address of the domain lives."""
    return PLACES + _local(local_key)


SENDERS = b"f"


def sender(local_key: str) -> bytes:
    """Who may send as an address; empty: as any of the domain."""
    return SENDERS + _local(local_key)


ALIASES = b"A"


def alias(local_key: str) -> bytes:
    """Whom an address stands for; empty: every address that is not listed."""
    return ALIASES + _local(local_key)


ALIAS_OF = b"B"
"""The domain that this one is another name of."""
REWRITTEN = b"S"


def rewritten(day: int, mark: bytes) -> bytes:
    """A sender that did not fit into an address of ours, by the day on which it was rewritten."""
    return rewritten_until(day) + mark


def rewritten_until(day: int) -> bytes:
    """``high`` of a range over all that were rewritten before ``day``."""
    return REWRITTEN + day.to_bytes(4, "big")


DKIM = b"y"


def dkim(selector: str) -> bytes:
    """A key by which the domain signs."""
    return DKIM + selector.encode("ascii")


PRIMARY = b"s"
"""The state of the domain's primary."""
MIRRORS = b"m"
TRANSITIONS = b"h"
OUTAGES = b"o"
WINDOWS = b"w"


def transition(at: float, number: int) -> bytes:
    """``number`` parts transitions of one moment."""
    return _TAG_U64_U32.pack(b"h", micros(at), number)


def outage(started: int) -> bytes:
    """``started`` in microseconds: it is the outage's id, too."""
    return _TAG_U64.pack(b"o", started)


def mirror(number: int) -> bytes:
    return _TAG_U64.pack(b"m", number)


def window(number: int) -> bytes:
    """A maintenance window."""
    return _TAG_U64.pack(b"w", number)


ROUND_TRIP = b"t"
"""The canary that is on its way through the domain's primary (``store/round_trips``)."""


def card_sent(account_id: int) -> bytes:
    """When an emergency card was last mailed to a user, and in which outage."""
    return _TAG_U32.pack(b"k", account_id)
