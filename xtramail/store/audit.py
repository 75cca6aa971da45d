"""Changes of the directory (scope AUDIT, kept for ever), each row sealed with the one before it.

Owns the rows and the chain: a row that was altered, taken out or put in later breaks every seal behind it. Who rewrites
all of them leaves a chain that is whole, but ends in another seal: the server's log holds each seal as it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import BadInput
from xtramail.store import audit_keys, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import AuditRow, decode, encode

_AT_ONCE = 1_000
SEAL = 32
"""Octets of a seal."""


def append(txn: Txn, row: AuditRow) -> tuple[int, bytes]:
    """Write ``row`` behind the newest; its number (from 1) and its seal."""
    number, seal = head(txn)
    number += 1
    value = encode(row)
    sealed = seal_of(seal, number, value)
    txn.put(PERMANENT, audit_keys.row(number), sealed + value)
    txn.put(PERMANENT, audit_keys.HEAD, audit_keys.row(number) + sealed)
    return number, sealed


def head(snap: Snapshot) -> tuple[int, bytes]:
    """Number and seal of the newest row; 0 and no octets before the first."""
    value = snap.get(PERMANENT, audit_keys.HEAD)
    if value is None:
        return 0, b""
    return audit_keys.number(value[:-SEAL]), value[-SEAL:]


def seal_at(snap: Snapshot, number: int) -> bytes:
    """Of one row; no octets where there is none."""
    value = snap.get(PERMANENT, audit_keys.row(number))
    return b"" if value is None else value[:SEAL]


def seal_of(before: bytes, number: int, value: bytes) -> bytes:
    """32 octets that stand for a row and all before it."""
    return blake2b(before + audit_keys.row(number) + value, digest_size=SEAL).digest()


def head_fault(snap: Snapshot, noted: tuple[int, bytes]) -> str:
    """What is wrong with the end of the rows, when they once ended as ``noted``; empty: nothing. Reads two rows."""
    number, seal = noted
    last = head(snap)[0]
    if number > last:
        gone = f"row {number} is" if number == last + 1 else f"rows {last + 1} to {number} are"
        return f"{gone} missing at the end"
    if seal_at(snap, number) != seal:
        return f"row {number} has another seal than was noted: rows up to it were written anew"
    return ""


def read_noted(text: str) -> tuple[int, bytes]:
    """``NUMBER:SEAL`` as it was printed; BadInput."""
    number, _, seal = text.strip().partition(":")
    try:
        octets = bytes.fromhex(seal)
        if not (number.isascii() and number.isdigit() and len(number) < 19 and len(octets) == SEAL):
            raise ValueError
    except ValueError:
        raise BadInput(f"head {text!r}: write it as it was printed, NUMBER:SEAL with {2 * SEAL} digits") from None
    return int(number), octets


def newest(snap: Snapshot, since: float = 0.0) -> Iterator[tuple[int, AuditRow]]:
    """The newest first, back to ``since`` (seconds since 1970)."""
    high = keys.after(audit_keys.ROWS)
    while rows := snap.range(PERMANENT, audit_keys.ROWS, high, limit=_AT_ONCE, reverse=True):
        for key, value in rows:
            row = decode(value[SEAL:], AuditRow)
            if row.at < since:
                return
            yield audit_keys.number(key), row
        high = rows[-1][0]


def row_of(value: bytes) -> AuditRow:
    """Of the octets that :func:`oldest` gives."""
    return decode(value, AuditRow)


def oldest(snap: Snapshot, after: int = 0) -> Iterator[tuple[int, bytes, bytes]]:
    """Those behind number ``after``, the oldest first: number, seal, and the row's octets as they were sealed."""
    low, high = audit_keys.row(after + 1), keys.after(audit_keys.ROWS)
    while rows := snap.range(PERMANENT, low, high, limit=_AT_ONCE):
        for key, value in rows:
            yield audit_keys.number(key), value[:SEAL], value[SEAL:]
        low = rows[-1][0] + b"\x00"
