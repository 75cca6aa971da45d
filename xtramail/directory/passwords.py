"""Password hashes: made and verified here, never logged.

Two schemes, each hash naming the key that peppers it:

* ``{XTRA-BCRYPT}keyid$2b$12$...``: bcrypt over base64(HMAC-SHA-256(pepper, NFC password)). bcrypt cuts at 72 octets and
  at NUL; the keyed pre-hash has neither problem, and without the pepper a stolen store cannot be guessed at.
* ``{XTRA-HMAC}keyid$hex``: for generated passwords of 100 random bits, which need no slow hash.

Both take the work that they take (:func:`is_slow`): callers run :func:`verify` off the reactor thread.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata

import bcrypt

from xtramail.directory.keyring import Keyring
from xtramail.model.secret import Secret

BCRYPT = "{XTRA-BCRYPT}"
KEYED = "{XTRA-HMAC}"
DEFAULT_COST = 12

# Crockford's alphabet in lower case: no i, l, o, u, so that it can be read out over the telephone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def generate() -> Secret:
    """100 random bits as four groups of five characters: ``k3v9d-...``."""
    characters = [secrets.choice(_ALPHABET) for _ in range(20)]
    return Secret("-".join("".join(characters[start : start + 5]) for start in range(0, 20, 5)))


def _digest(password: Secret, key: bytes) -> bytes:
    normal = unicodedata.normalize("NFC", password.reveal()).encode("utf-8", "surrogatepass")
    return hmac.digest(key, normal, hashlib.sha256)


def _generated_digest(password: Secret, key: bytes) -> str:
    # Separators and case are how a person types it, not what it is.
    plain = "".join(c for c in password.reveal().lower() if c.isalnum())
    return hmac.digest(key, b"generated " + plain.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def hash_chosen(password: Secret, keyring: Keyring, cost: int = DEFAULT_COST) -> str:
    """For a password that a person chose. ``cost`` is bcrypt's: 2**cost rounds."""
    key = keyring.keys[keyring.current]
    hashed = bcrypt.hashpw(base64.b64encode(_digest(password, key)), bcrypt.gensalt(cost))
    return f"{BCRYPT}{keyring.current}{hashed.decode('ascii')}"


def hash_generated(password: Secret, keyring: Keyring) -> str:
    """For a password made by :func:`generate`."""
    return f"{KEYED}{keyring.current}${_generated_digest(password, keyring.keys[keyring.current])}"


def device_mark(password: Secret, key: bytes) -> bytes:
    """The keyed hash under which a device password made by :func:`generate` is kept and found."""
    return bytes.fromhex(_generated_digest(password, hmac.digest(key, b"device passwords", hashlib.sha256)))


def is_slow(stored: str) -> bool:
    """Whether verifying against this hash takes the work of bcrypt."""
    return stored.startswith(BCRYPT)


def verify(password: Secret, stored: str, keyring: Keyring) -> bool:
    """Whether ``password`` is the one hashed in ``stored``; False for an empty or unreadable hash or a missing key."""
    if stored.startswith(KEYED):
        identifier, _, digest = stored[len(KEYED) :].partition("$")
        key = keyring.keys.get(identifier)
        return key is not None and hmac.compare_digest(_generated_digest(password, key), digest)
    if stored.startswith(BCRYPT):
        identifier, _, rest = stored[len(BCRYPT) :].partition("$")
        key = keyring.keys.get(identifier)
        if key is None:
            return False
        try:
            return bcrypt.checkpw(base64.b64encode(_digest(password, key)), f"${rest}".encode("ascii"))
        except ValueError:
            return False
    return False


class DummyHash:
    """A hash that nobody's password matches, of the same cost as real ones: unknown users take the same work."""

    def __init__(self, keyring: Keyring, cost: int = DEFAULT_COST) -> None:
        self.stored = hash_chosen(Secret(secrets.token_hex(16)), keyring, cost)
