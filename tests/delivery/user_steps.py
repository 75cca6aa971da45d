"""What users do with their mail, done in the store: delete, put back, move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.delivery.world import World
from xtramail.store import keys, mailboxes, messages, recovered
from xtramail.store.engine import Txn
from xtramail.store.records import Account


def change(world: World, account: Account, function: Callable[[Txn], Any]) -> Any:
    return world.engine.transact(keys.user_scope(account.id), function).result()


def box(txn: Any, name: str) -> Any:
    row = mailboxes.mailbox_by_name(txn, name)
    assert row is not None
    return row


def delete(world: World, account: Account, name: str = "INBOX", *, taken: bool = False) -> None:
    change(
        world,
        account,
        lambda txn: messages.expunge(
            txn, box(txn, name).id, None, by=account.address, now=world.clock.now(), deleted_only=False, taken=taken
        ),
    )


def restore(world: World, account: Account) -> None:
    def put_back(txn: Txn) -> None:
        uids = [number for _, number, _ in recovered.recoverables(txn)]
        recovered.restore(txn, box(txn, "INBOX").id, uids, world.clock.now())

    change(world, account, put_back)


def move(world: World, account: Account, target: str) -> None:
    def file(txn: Txn) -> None:
        inbox = box(txn, "INBOX")
        messages.move(txn, inbox.id, box(txn, target).id, range(1, inbox.uidnext), world.clock.now())

    change(world, account, file)
