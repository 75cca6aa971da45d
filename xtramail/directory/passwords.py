"""Password hashes: made and verified here, never logged.

Two schemes, each hash naming the key that peppers it:

* ``{XTRA-BCRYPT}keyid$2b$12$...``: bcrypt over base64(HMAC-SHA-256(pepper, NFC password)). bcrypt cuts at 72 octets and
  at NUL; the keyed pre-hash has neither problem, and without the pepper a stolen store cannot be guessed at.
* ``{XTRA-HMAC}keyid$hex``: for generated passwords of 100 random bits, which need no slow hash.
* ``{BLF-CRYPT}$2b$10$...``: plain bcrypt of another server, as imported. It is verified, and never made here: at the
  next good login ``login`` puts one of ours in its place.

Both take the work that they take (:func:`is_slow`): callers run :func:`verify` off the reactor thread.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata

import bcrypt

from xtramail.directory.keyring import Keyring
from xtramail.model.secret import Secret

BCRYPT = "{XTRA-BCRYPT}"
KEYED = "{XTRA-HMAC}"
FOREIGN = "{BLF-CRYPT}"
DEFAULT_COST = 12
_LONGEST = 72
"""Octets of a password that bcrypt takes."""
MOST_COST = 15
"""Of a foreign hash: a login with a higher one would take seconds, and anybody can ask for them."""
_FOREIGN = re.compile(r"\$2[aby]\$([0-3][0-9])\$[./A-Za-z0-9]{53}", re.ASCII)
_OWN = re.compile(
    r"(\{XTRA-BCRYPT\})([0-9a-f]{1,64})\$2b\$(?:0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}|(\{XTRA-HMAC\})([0-9a-f]{1,64})\$[0-9a-f]{64}"
)

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
    plain = "".join(filter(str.isalnum, password.reveal().lower()))
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


def scheme_of(stored: str) -> str:
    """``{XTRA-BCRYPT}`` or ``{XTRA-HMAC}`` of a whole hash of ours; empty for anything else."""
    found = _OWN.fullmatch(stored)
    return "" if found is None else found[1] or found[3]


def key_id_of(stored: str) -> str:
    """Of the key that a hash of ours was made with; empty for anything else."""
    found = _OWN.fullmatch(stored)
    return "" if found is None else found[2] or found[4]


def foreign_fault(stored: str) -> str:
    """What is wrong with a hash of another server, with the rule; empty for one that can be verified here."""
    found = _FOREIGN.fullmatch(stored.removeprefix(FOREIGN))
    if found is None:
        return "no hash of bcrypt, such as {BLF-CRYPT}$2b$10$... with 53 characters behind the cost"
    if not 4 <= int(found[1]) <= MOST_COST:
        return f"its cost is {int(found[1])}; one from 4 to {MOST_COST} can be used, else give the user a new password"
    return ""


def is_foreign(stored: str) -> bool:
    """Whether a hash of ours is to take its place at the next good login."""
    return stored.startswith(FOREIGN)


def is_slow(stored: str, cost: int = DEFAULT_COST) -> bool:
    """Whether verifying against this hash takes the work of one of ours of this ``cost``, or more."""
    if stored.startswith(FOREIGN):
        found = _FOREIGN.fullmatch(stored.removeprefix(FOREIGN))
        return found is not None and int(found[1]) >= cost
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
    if stored.startswith(FOREIGN) and not foreign_fault(stored):
        # As bcrypt was used everywhere: the octets as they were typed, cut at 72.
        octets = password.reveal().encode("utf-8", "surrogatepass")[:_LONGEST]
        try:
            return bcrypt.checkpw(octets, stored[len(FOREIGN) :].encode("ascii"))
        except ValueError:
            return False
    return False


class DummyHash:
    """A hash that nobody's password matches, of the same cost as real ones: unknown users take the same work."""

    def __init__(self, keyring: Keyring, cost: int = DEFAULT_COST) -> None:
        self.stored = hash_chosen(Secret(secrets.token_hex(16)), keyring, cost)
