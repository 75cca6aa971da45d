"""Keys of the scope SENDING, bucket 0."""

from __future__ import annotations

import struct

_TAG_U32 = struct.Struct(">cI")

USERS = b"s"
DOMAINS = b"d"
BLOCKS = b"b"


def user(account_id: int) -> bytes:
    """How much an account sent lately."""
    return _TAG_U32.pack(USERS, account_id)


def user_of(key: bytes) -> int:
    return int(_TAG_U32.unpack(key)[1])


def domain(name: str) -> bytes:
    """The same of the hosts that send for a domain (key)."""
    return DOMAINS + name.encode("ascii")


def domain_of(key: bytes) -> str:
    return key[1:].decode("ascii")


def block(account_id: int) -> bytes:
    """The account may send nothing to the world."""
    return _TAG_U32.pack(BLOCKS, account_id)
