"""The account record of one user (scope of the user). Who may log in with it is ``directory``'s to say."""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.model.bucket import PERMANENT
from xtramail.store import devices, keys, second_steps
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Account, decode, encode


def put_account(txn: Txn, account: Account) -> None:
    """Write the record, new or changed."""
    txn.put(PERMANENT, keys.ACCOUNT, encode(replace(account, device=b"")))


def get_account(snap: Snapshot) -> Account | None:
    """The record; None when the user was removed or never was."""
    value = snap.get(PERMANENT, keys.ACCOUNT)
    return decode(value, Account) if value is not None else None


def delete_account(txn: Txn) -> bool:
    """Remove the record, so that nobody logs in, with all that belongs to logins; whether it was there.

    Mailboxes and clock stay: mail goes with its days, and a MODSEQ that was told is never told again.
    """
    devices.delete_all(txn)
    second_steps.delete(txn)
    return txn.delete(PERMANENT, keys.ACCOUNT)


def is_open(account: Account) -> bool:
    """Whether any password may open it: nobody logs in to a list, though it was a user with one."""
    return account.status == "active" and account.kind != "list"


def standing(snap: Snapshot, account: Account, now: float) -> Account | None:
    """The account as it is at ``now``, for who logged in as ``account``; None when that login is no longer valid.

    A login by a device password ends with that device. One by the account's own password ends when that changes, and
    when two-step sign-in is switched on: from then on the password alone opens nothing.
    """
    current = get_account(snap)
    if current is None or not is_open(current):
        return None
    if account.device:
        device = devices.get(snap, account.device)
        if device is None or 0 < device.expires <= now:
            return None
        return replace(current, device=account.device)
    if current.two_step or current.password_changed != account.password_changed:
        return None
    return current


def can_log_in(snap: Snapshot, account: Account, now: float) -> bool:
    """Whether he has anything that opens a mail protocol: with two-step sign-in, only a device password that has not
    expired."""
    if not is_open(account):
        return False
    if account.password and not account.two_step:
        return True
    return any(not 0 < device.expires <= now for _, device in devices.devices(snap))
