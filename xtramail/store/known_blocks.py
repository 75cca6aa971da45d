"""Address blocks from which somebody logged in, and when that was last (scope LOGINS).

Who writes them, how often, and which are forgotten, is ``directory.known_blocks``'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import decode_number, encode_number


def known_blocks(snap: Snapshot) -> dict[str, float]:
    """Seconds since 1970 by block."""
    prefix = keys.KNOWN_BLOCKS
    rows = snap.range(PERMANENT, prefix, keys.after(prefix))
    return {bytes(key[len(prefix) :]).decode(): float(decode_number(value)) for key, value in rows}


def note(txn: Txn, seen: Mapping[str, float], gone: Iterable[str]) -> None:
    """Write those that were ``seen``, and take those away that are ``gone``."""
    for block, at in seen.items():
        txn.put(PERMANENT, keys.known_block(block), encode_number(int(at)))
    for block in gone:
        txn.delete(PERMANENT, keys.known_block(block))
