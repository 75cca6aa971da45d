"""Secrets that must be read again (seeds of codes, keys that sign), sealed by a server key that lies outside the store.

AES-256-GCM; the name of what is sealed is bound to it, so that a row moved to another user does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xtramail.directory.keyring import Keyring
from xtramail.model.errors import BadInput

_NONCE = 12


def seal(keyring: Keyring, secret: bytes, *, about: bytes) -> bytes:
    """Sealed by the keyring's current key."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(_key(keyring.keys[keyring.current])).encrypt(nonce, secret, about)


def seal_alike(keyring: Keyring, key_id: str, secret: bytes, *, about: bytes) -> bytes:
    """As :func:`seal`, by the key ``key_id``; the same octets for the same secret, so that documents can be compared.

    The nonce is a keyed hash of what is sealed (as in RFC 5297): another secret, or another name, has another nonce.
    """
    key = _key(keyring.keys[key_id])
    length = len(about).to_bytes(4, "big")
    nonce = hmac.digest(key, b"nonce" + length + about + secret, hashlib.sha256)[:_NONCE]
    return nonce + AESGCM(key).encrypt(nonce, secret, about)


def unseal(keyring: Keyring, key_id: str, sealed: bytes, *, about: bytes) -> bytes:
    """What was sealed by the key ``key_id``; BadInput where that key is missing or it was not sealed for this."""
    key = keyring.keys.get(key_id)
    if key is None:
        raise BadInput(f"the server key {key_id} is missing: restore the file of password keys from a backup")
    try:
        return AESGCM(_key(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
    except (InvalidTag, ValueError):
        raise BadInput("a sealed secret does not belong where it lies: make it anew") from None


def _key(key: bytes) -> bytes:
    return hmac.digest(key, b"sealed secrets", hashlib.sha256)
