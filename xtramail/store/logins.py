"""When each user last logged in, by service (scope LOGINS). Who writes it, how often, is ``directory.login_times``'."""

from __future__ import annotations

from collections.abc import Mapping

from xtramail.model.bucket import PERMANENT
from xtramail.store import devices, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode


class LastLogins(Record, frozen=True):
    services: dict[str, float] = {}
    """``imap``, ``pop3`` or ``submission``, and seconds since 1970."""


def last_logins(snap: Snapshot, account_id: int) -> dict[str, float]:
    """By service; empty for who never came. Up to an hour older than the truth."""
    value = snap.get(PERMANENT, keys.last_logins(account_id))
    return decode(value, LastLogins).services if value is not None else {}


def note(txn: Txn, seen: Mapping[int, Mapping[str, float]]) -> None:
    """``seen``: by account, by service. A later time that is there stays."""
    for account_id, services in seen.items():
        known = last_logins(txn, account_id)
        later = {name: max(at, known.get(name, 0.0)) for name, at in services.items()}
        txn.put(PERMANENT, keys.last_logins(account_id), encode(LastLogins(services={**known, **later})))


def forget(txn: Txn, account_id: int) -> None:
    """The account is gone, and its devices."""
    devices.forget_use(txn, account_id)
    txn.delete(PERMANENT, keys.last_logins(account_id))
