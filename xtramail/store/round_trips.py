"""The canary that is on its way through a domain's primary (scope of the domain): one row, so that a restart forgets
none, and leaves none behind there."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import domain_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode

MOST_LEFT = 20


class RoundTrip(Record, frozen=True):
    sent: float = 0.0
    """When the latest canary was sent; 0: never."""
    number: int = 0
    """Our id of the one that is looked for now; 0: none is."""
    message_id: str = ""
    left: tuple[str, ...] = ()
    """Message-IDs of those that may lie there still: missed, or not removed."""
    came: float = 0.0
    """When one was last found."""
    missed: int = 0
    """How many in a row were not."""


def round_trip(snap: Snapshot) -> RoundTrip:
    value = snap.get(PERMANENT, domain_keys.ROUND_TRIP)
    return decode(value, RoundTrip) if value is not None else RoundTrip()


def put(txn: Txn, row: RoundTrip) -> None:
    txn.put(PERMANENT, domain_keys.ROUND_TRIP, encode(row))
