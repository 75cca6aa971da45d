"""Passwords in files: as their users know them, as hashes of ours or of other servers, or to be made here.

bcrypt takes its time: it is done in a thread for each core (it lets go of the interpreter), and never twice: who has
the password already is left as he is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from xtramail.directory import passwords
from xtramail.directory.keyring import Keyring
from xtramail.directory.state.kind import Progress, Says
from xtramail.model.secret import Secret

A = TypeVar("A")
B = TypeVar("B")


def check_own_hash(name: str, stored: str, keyring: Keyring, says: Says) -> None:
    """Says what is wrong with a hash, of the field ``name``, that one of this server's keys must have made."""
    scheme, key_id = passwords.scheme_of(stored), passwords.key_id_of(stored)
    if not scheme:
        says.wrong(name, "no hash of ours ({XTRA-BCRYPT}KEYID$..., {XTRA-HMAC}KEYID$...)")
    elif key_id not in keyring.keys:
        says.wrong(name, missing_key(key_id))


def missing_key(key_id: str) -> str:
    return (
        f"made with the key {key_id[:16]!r}, which this server has not: bring the file of password keys over first, "
        "or leave it out and give a new one"
    )


def check_hash(name: str, stored: str, keyring: Keyring, says: Says) -> None:
    """As :func:`check_own_hash`, for one that may be another server's."""
    if not stored.startswith(passwords.FOREIGN):
        check_own_hash(name, stored, keyring, says)
    elif reason := passwords.foreign_fault(stored):
        says.wrong(name, reason)


def regular_hash(stored: str) -> str:
    """A plain bcrypt hash gets the name of its scheme."""
    return f"{passwords.FOREIGN}{stored}" if stored.startswith("$2") else stored


def who_has_it(given: Mapping[str, tuple[str, str]], keyring: Keyring, progress: Progress) -> frozenset[str]:
    """Of passwords and stored hashes, by whose they are: those that fit."""

    def fits(one: tuple[str, tuple[str, str]]) -> bool:
        _, (password, stored) = one
        return passwords.verify(Secret(password), stored, keyring)

    found = _in_threads(fits, given.items(), len(given), lambda done, total: progress("compared", done, total))
    return frozenset(key for key, fitted in zip(given, found, strict=True) if fitted)


def hashes(given: Sequence[str], keyring: Keyring, cost: int, progress: Progress) -> list[str]:
    """One for each, in their order."""

    def make(password: str) -> str:
        return passwords.hash_chosen(Secret(password), keyring, cost)

    return _in_threads(make, given, len(given), lambda done, total: progress("hashed", done, total))


def _in_threads(work: Callable[[A], B], given: Iterable[A], total: int, told: Callable[[int, int], None]) -> list[B]:
    results: list[B] = []
    if not total:
        return results
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for one in pool.map(work, given):
            results.append(one)
            told(len(results), total)
    finally:
        # Who breaks it off does not wait for the thousands that are left.
        pool.shutdown(cancel_futures=True)
    return results
