"""The account record of one user (scope of the user). Who may log in with it is ``directory``'s to say."""

from __future__ import annotations

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Account, decode, encode


def put_account(txn: Txn, account: Account) -> None:
    """Write the record, new or changed."""
    txn.put(PERMANENT, keys.ACCOUNT, encode(account))


def get_account(snap: Snapshot) -> Account | None:
    """The record; None when the user was removed or never was."""
    value = snap.get(PERMANENT, keys.ACCOUNT)
    return decode(value, Account) if value is not None else None


def delete_account(txn: Txn) -> bool:
    """Remove the record, so that nobody logs in; whether it was there.

    Mailboxes and clock stay: mail goes with its days, and a MODSEQ that was told is never told again.
    """
    return txn.delete(PERMANENT, keys.ACCOUNT)
