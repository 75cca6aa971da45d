"""Accounts that may send nothing to the world (scope SENDING), beside what they sent."""

from __future__ import annotations

from typing import Literal

from xtramail.model.bucket import PERMANENT
from xtramail.store import keys, rates, sending_keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Record, decode, encode

Cause = Literal["rate", "bounces", "person"]


class BlockRow(Record, frozen=True):
    account_id: int
    address: str
    at: float
    cause: Cause
    reason: str
    """What happened, for people."""
    by: str
    """Who blocked it."""


def put_block(txn: Txn, row: BlockRow) -> None:
    txn.put(PERMANENT, sending_keys.block(row.account_id), encode(row))


def get_block(snap: Snapshot, account_id: int) -> BlockRow | None:
    """None: it may send."""
    value = snap.get(PERMANENT, sending_keys.block(account_id))
    return decode(value, BlockRow) if value is not None else None


def delete_block(txn: Txn, account_id: int) -> bool:
    """Whether it was blocked."""
    return txn.delete(PERMANENT, sending_keys.block(account_id))


def forget_sender(txn: Txn, account_id: int) -> None:
    """The account is gone."""
    delete_block(txn, account_id)
    rates.forget(txn, sending_keys.user(account_id))


def blocks(snap: Snapshot) -> list[BlockRow]:
    """By account."""
    rows = snap.range(PERMANENT, sending_keys.BLOCKS, keys.after(sending_keys.BLOCKS))
    return [decode(value, BlockRow) for _, value in rows]
