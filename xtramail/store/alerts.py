"""Alerts (scope ALERTS): what people have to hear of, written down with what caused it, until everybody was told.

An alert is raised in the transaction of its cause, by who knows nothing of those who hear of it: it has no addresses
yet. ``delivery/alerts`` gives it its addresses, once, and says when. Until then what happens again joins it, so that a
storm is one row with a count; a step of a primary is told each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode

KEPT_SECONDS = 90 * 86_400.0
MOST = 10_000
"""Rows kept, of the newest: alerts that come and go for months must not fill the store."""
EACH = frozenset({"primary-state", "test"})
"""Kinds of which nothing joins: programs that listen want every one, in order."""

Channel = Literal["mail", "webhook"]
State = Literal["owed", "told", "joined", "given-up"]


class Telling(Record, frozen=True):
    """One recipient of an alert, and how far it got there."""

    channel: Channel
    target: str
    """An address, or a URL."""
    whose: Literal["domain", "operator"]
    """Whose setting names it."""
    state: State = "owed"
    due: float = 0.0
    attempts: int = 0
    answer: str = ""
    """What came of the last attempt."""
    at: float = 0.0
    """When it came to its state."""


class AlertRow(Record, frozen=True):
    id: int
    """Microseconds since 1970 at which it was raised, or the next number."""
    kind: str
    domain: str
    """Empty: it concerns the server."""
    at: float
    text: str
    """What happened, and what to do."""
    fields: dict[str, str] = {}
    count: int = 1
    """How often it happened until it was told; text and fields are the latest ones."""
    latest: float = 0.0
    addressed: bool = False
    tellings: tuple[Telling, ...] = ()
    look_at: float = 0.0
    """Without addresses: when it is to get them."""

    @property
    def owes(self) -> bool:
        return not self.addressed or any(one.state == "owed" for one in self.tellings)

    @property
    def next(self) -> float:
        """When somebody has to do something about it, where it owes."""
        if not self.addressed:
            return self.look_at
        return min((one.due for one in self.tellings if one.state == "owed"), default=0.0)


class Topic(Record, frozen=True):
    """What is known of one kind and domain."""

    last: int = 0
    """Id of the newest alert of it."""
    told: float = 0.0
    """When people were last written to of it."""
    waiting: int = 0
    """Id of the alert whose mail waits until they may be written to again; 0: none."""


def raise_alert(
    txn: Txn, *, kind: str, domain: str, text: str, fields: Mapping[str, str], now: float, most: int = MOST
) -> int:
    """Write an alert down, or let it join one of its kind and domain that was not told yet; its id.

    ``txn`` is of scope ALERTS: where the cause is written in another scope, use :func:`raised` in one
    ``transact_all`` with it.
    """
    known = topic(txn, kind, domain)
    old = alert(txn, known.last) if known.last and kind not in EACH else None
    if old is not None and not old.addressed:
        put(txn, replace(old, text=text, fields=dict(fields), count=old.count + 1, latest=now))
        return old.id
    rows = txn.range(PERMANENT, keys.ALERT_ROWS, keys.after(keys.ALERT_ROWS), limit=1, reverse=True)
    newest = keys.alert_of(rows[0][0]) if rows else 0
    row = AlertRow(
        id=max(keys.micros(now), newest + 1),
        kind=kind,
        domain=domain,
        at=now,
        text=text,
        fields=dict(fields),
        latest=now,
    )
    put(txn, row)
    put_topic(txn, kind, domain, replace(known, last=row.id))
    _forget(txn, now, most)
    return row.id


def raised(
    kind: str, domain: str, text: str, fields: Mapping[str, str], now: float
) -> tuple[bytes, Callable[[Txn], int]]:
    """:func:`raise_alert` as a part of ``transact_all``, for one commit with the cause."""

    def write(txn: Txn) -> int:
        return raise_alert(txn, kind=kind, domain=domain, text=text, fields=fields, now=now)

    return keys.ALERTS, write


def put(txn: Txn, row: AlertRow) -> None:
    """Write a row, and when it is looked at while it owes."""
    old = alert(txn, row.id)
    if old is not None:
        txn.delete(PERMANENT, keys.alert_owing(old.next, old.id))
    txn.put(PERMANENT, keys.alert(row.id), encode(row))
    if row.owes:
        txn.put(PERMANENT, keys.alert_owing(row.next, row.id), b"")


def alert(snap: Snapshot, alert_id: int) -> AlertRow | None:
    value = snap.get(PERMANENT, keys.alert(alert_id))
    return decode(value, AlertRow) if value is not None else None


def alerts(snap: Snapshot, limit: int = 0) -> list[AlertRow]:
    """The newest first; at most ``limit`` (0: all)."""
    rows = snap.range(PERMANENT, keys.ALERT_ROWS, keys.after(keys.ALERT_ROWS), limit=limit, reverse=True)
    return [decode(value, AlertRow) for _, value in rows]


def owing(snap: Snapshot, now: float, limit: int) -> list[AlertRow]:
    """Alerts about which something is to be done by ``now``, the longest due first."""
    rows = snap.range(PERMANENT, keys.ALERTS_OWING, keys.alerts_owing_until(now), limit=limit)
    found = (alert(snap, keys.alert_owing_of(key)) for key, _ in rows)
    return [row for row in found if row is not None]


def topic(snap: Snapshot, kind: str, domain: str) -> Topic:
    value = snap.get(PERMANENT, keys.alert_topic(kind, domain))
    return decode(value, Topic) if value is not None else Topic()


def put_topic(txn: Txn, kind: str, domain: str, row: Topic) -> None:
    txn.put(PERMANENT, keys.alert_topic(kind, domain), encode(row))


def _forget(txn: Txn, now: float, most: int) -> None:
    """The oldest ones go when their days are over, or there are too many: two at most for each that is added."""
    value = txn.get(PERMANENT, keys.ALERT_COUNT)
    count = 1 + (int.from_bytes(value, "big") if value is not None else 0)
    for key, value in txn.range(PERMANENT, keys.ALERT_ROWS, keys.after(keys.ALERT_ROWS), limit=2):
        row = decode(value, AlertRow)
        if count <= most and row.at > now - KEPT_SECONDS:
            break
        txn.delete(PERMANENT, key)
        txn.delete(PERMANENT, keys.alert_owing(row.next, row.id))
        count -= 1
    txn.put(PERMANENT, keys.ALERT_COUNT, count.to_bytes(4, "big"))
