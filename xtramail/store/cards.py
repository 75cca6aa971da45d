"""Emergency cards that were mailed (scope of a domain): to which user, when, and in which outage."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class CardRow(Record, frozen=True):
    outage: int = 0
    """Id of the outage in which the last one was mailed."""
    at: float = 0.0
    """When; 0: never."""


def card(snap: Snapshot, account_id: int) -> CardRow:
    """Empty for who never got one."""
    value = snap.get(PERMANENT, domain_keys.card_sent(account_id))
    return decode(value, CardRow) if value is not None else CardRow()


def put_card(txn: Txn, account_id: int, row: CardRow) -> None:
    txn.put(PERMANENT, domain_keys.card_sent(account_id), encode(row))
