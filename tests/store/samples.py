"""Rows and steps that the store's tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from xtramail.model.bucket import Bucket, bucket_of
from xtramail.store import keys, messages
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.message_row import BodyRef, MessageRow
from xtramail.store.messages import NewMessage
from xtramail.store.records import Account, QueueEntry, QueueRecipient

T = TypeVar("T")

NOW = 1_767_225_600.0
USER = keys.user_scope(7)
DAY_ONE = bucket_of(2000, 16)
DAY_TWO = bucket_of(2001, 16)
DAY_THREE = bucket_of(2002, 16)


def write(engine: Engine, function: Callable[[Txn], T], scope: bytes = USER) -> T:
    return engine.transact(scope, function).result()


def look(engine: Engine, function: Callable[[Snapshot], T], scope: bytes = USER) -> T:
    return engine.read(scope, function)


def message_row(
    bucket: Bucket = DAY_ONE, number: int = 1, *, size: int = 100, message_id: str = "", envelope: bytes = b"()"
) -> MessageRow:
    return MessageRow(
        size=size,
        internaldate=int(NOW),
        body=BodyRef(bucket=bucket, id=number, size=size, header_length=10),
        object_id=number,
        header_length=10,
        envelope=envelope,
        bodystructure=b"(structure)",
        body_structure_plain=b"(plain)",
        message_id=message_id,
    )


def new(
    bucket: Bucket = DAY_ONE,
    number: int = 1,
    *,
    size: int = 100,
    flags: int = 0,
    keywords: tuple[str, ...] = (),
    message_id: str = "",
    references: tuple[str, ...] = (),
) -> NewMessage:
    row = message_row(bucket, number, size=size, message_id=message_id)
    return NewMessage(row=row, flags=flags, keywords=keywords, references=references)


def add(engine: Engine, mailbox_id: int, message: NewMessage, now: float = NOW) -> int:
    """The UID."""
    bucket = message.row.body.bucket
    return write(engine, lambda txn: messages.add(txn, mailbox_id, bucket, message, now)).uid


def account(quota: int = 0) -> Account:
    return Account(
        id=7,
        address="ann@example.org",
        password="",
        quota=quota,
        status="active",
        kind="user",
        created=NOW,
        password_changed=NOW,
    )


def entry(
    number: int = 1,
    *,
    destination: str = "example.org",
    arrival: float = NOW,
    due: float = NOW,
    held: bool = False,
    bucket: Bucket = DAY_ONE,
    message_id: int = 0,
) -> QueueEntry:
    return QueueEntry(
        id=number,
        message_id=message_id or number,
        destination=destination,
        kind="primary",
        body=BodyRef(bucket=bucket, id=message_id or number, size=30, header_length=10),
        reverse_path="bob@example.net",
        arrival=arrival,
        due=due,
        expires=arrival + 86_400,
        held=held,
        recipients=(QueueRecipient(address="Ann@example.org"),),
    )
