"""Rows of device passwords (scope of the user) and of their last use (scope LOGINS, which wakes nobody's session).

Who makes them and what they open is ``directory.devices``' and ``directory.login``'s.
"""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Device, DeviceUse, decode, encode


def get(snap: Snapshot, mark: bytes) -> Device | None:
    """The device whose password has this keyed hash: one look-up, no walk."""
    value = snap.get(PERMANENT, keys.device(mark))
    return decode(value, Device) if value is not None else None


def put(txn: Txn, mark: bytes, device: Device) -> None:
    txn.put(PERMANENT, keys.device(mark), encode(device))


def touch(txn: Txn, mark: bytes) -> None:
    """Write it as it is: who watches the user looks."""
    device = get(txn, mark)
    if device is not None:
        put(txn, mark, device)


def delete(txn: Txn, mark: bytes) -> bool:
    """Whether it was there."""
    return txn.delete(PERMANENT, keys.device(mark))


def delete_all(txn: Txn) -> int:
    """How many there were."""
    return txn.delete_range(PERMANENT, keys.DEVICES, keys.after(keys.DEVICES))


def devices(snap: Snapshot) -> list[tuple[bytes, Device]]:
    """All of one user, oldest first, each with its mark."""
    rows = snap.range(PERMANENT, keys.DEVICES, keys.after(keys.DEVICES))
    found = [(keys.device_mark(key), decode(value, Device)) for key, value in rows]
    return sorted(found, key=lambda pair: (pair[1].created, pair[1].name))


def note_use(txn: Txn, account_id: int, mark: bytes, use: DeviceUse) -> None:
    txn.put(PERMANENT, keys.device_use(account_id, mark), encode(use))


def last_use(snap: Snapshot, account_id: int, mark: bytes) -> DeviceUse | None:
    """None for one that was never used."""
    value = snap.get(PERMANENT, keys.device_use(account_id, mark))
    return decode(value, DeviceUse) if value is not None else None


def forget_use(txn: Txn, account_id: int, mark: bytes = b"") -> None:
    """Of one device, or of all of an account."""
    if mark:
        txn.delete(PERMANENT, keys.device_use(account_id, mark))
    else:
        low = keys.device_uses(account_id)
        txn.delete_range(PERMANENT, low, keys.after(low))
