"""Server keys that live outside the store: the pepper of passwords. A stolen store alone verifies no guess.

The file has one key a line, ``id hex``, newest last; the newest makes new hashes, all of them verify. Owns neither
hashing (``passwords``) nor where the file lies (``app``).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from xtramail.model.errors import BadInput


@dataclass(frozen=True, slots=True)
class Keyring:
    """``keys`` by id; ``current`` names the one that new hashes use."""

    keys: dict[str, bytes]
    current: str

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.keys)})"


def key_id(key: bytes) -> str:
    return hashlib.sha256(b"xtramail key id" + key).hexdigest()[:8]


def create_keyring(path: Path) -> Keyring:
    """Write a new key file, mode 0600; FileExistsError when there is one: a key is never overwritten."""
    key = secrets.token_bytes(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{key_id(key)} {key.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    return Keyring(keys={key_id(key): key}, current=key_id(key))


def load_keyring(path: Path) -> Keyring:
    """BadInput names the file and line that is wrong; FileNotFoundError when it is missing."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(path.read_text("ascii", errors="replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            identifier, key = words[0], bytes.fromhex(words[1])
        except (IndexError, ValueError):
            raise BadInput(f"{path} line {number}: write an id and 64 hexadecimal digits") from None
        if len(key) != 32 or key_id(key) != identifier:
            raise BadInput(f"{path} line {number}: the key does not belong to its id; restore the file from a backup")
        keys[identifier] = key
    if not keys:
        raise BadInput(f"{path}: no key in it; restore it from a backup")
    return Keyring(keys=keys, current=list(keys)[-1])
