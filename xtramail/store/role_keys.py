"""Keys of the scope ROLES, bucket 0."""

from __future__ import annotations

from xtramail.store.keys import hashed

TENANTS = b"t"
ADMINS = b"a"
TOKENS = b"k"


def tenant(name: str) -> bytes:
    """``name``: ASCII, at most 63 octets."""
    return TENANTS + name.encode("ascii")


def admin(name: str) -> bytes:
    """``name``: an ``Address.key``."""
    return ADMINS + hashed(name)


def token(mark: bytes) -> bytes:
    """``mark`` is the token's keyed hash, so that a request is one exact look-up."""
    return TOKENS + mark


def token_mark(key: bytes) -> bytes:
    """Of a key made by :func:`token`."""
    return key[len(TOKENS) :]
