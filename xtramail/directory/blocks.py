"""Accounts that may send nothing to the world: blocked by the server or by a person, released by a person.

A block closes one thing: mail to recipients outside. Reading, receiving and writing to colleagues go on. A release
forgives the last hour, so that who sent too much is not blocked again by his next message.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from xtramail.directory.desk import Change, Desk, Told
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NotPermitted
from xtramail.store import alerts, blocks, keys, outbound, rates, sending_keys
from xtramail.store.blocks import BlockRow, Cause
from xtramail.store.engine import Txn, TxnFunction
from xtramail.store.records import Account

STOPPED = "its sender is blocked from sending outside; see: xtramail blocked list"
"""Why mail that he sent before waits in the queue."""
ALERT = "sending-blocked"
"""Kind of the alert that tells of one."""
MOST_REASON = 150


def blocked(desk: Desk, domain: str = "") -> list[BlockRow]:
    """Every block of a domain, or of all that the actor sees, by address. For admins. NoSuchDomain."""
    desk.require(Role.DOMAIN, "the list of who is blocked")
    desk.require(Role.DOMAIN, "blocked list")
    names = {desk.domain(domain).name} if domain else {row.name for row in desk.domains()}
    rows = desk.engine.read(keys.SENDING, blocks.blocks)
    return sorted((row for row in rows if _domain(row.address) in names), key=lambda row: row.address)


async def block(desk: Desk, address: Address, reason: str) -> BlockRow:
    """Let a user send nothing to the world; ``reason`` is told to him. AlreadyExists, NoSuchAccount, BadInput."""
    account = desk.account(address)
    if not reason.strip() or not reason.isprintable() or len(reason) > MOST_REASON:
        raise BadInput(f"reason: one line of at most {MOST_REASON} characters, which its user reads")
    row = await put(desk, account, "person", reason)
    if row is None:
        raise AlreadyExists(f"user {account.address} is blocked already; see: xtramail blocked list")
    return row


@dataclass(frozen=True, slots=True)
class Released:
    row: BlockRow
    due: int
    """Messages that waited for it, and are due now."""


async def release(desk: Desk, address: Address) -> Released:
    """Let a user send to the world again, and what he sent before. NotPermitted where he may; NoSuchAccount."""
    account = desk.account(address)
    free = NotPermitted(f"user {account.address} is not blocked; see: xtramail blocked list")
    change = Change("blocked release", address.key, address.domain_key)

    def delete(txn: Txn) -> BlockRow:
        row = blocks.get_block(txn, account.id)
        if row is None:
            raise free
        change.before = told(row)
        blocks.delete_block(txn, account.id)
        rates.forgive(txn, sending_keys.user(account.id), desk.now())
        return row

    waiting = partial(let_go, account_id=account.id, now=desk.now())
    row, due = await desk.change(change, [(keys.SENDING, delete), (keys.QUEUE, waiting)])
    return Released(row=row, due=due)


def let_go(txn: Txn, account_id: int, now: float) -> int:
    """What waited for a block that is no more (scope QUEUE) is due; how many that are."""
    waiting = [entry for entry in outbound.entries(txn) if entry.account_id == account_id and entry.held]
    stopped = [entry.id for entry in waiting if entry.hold_reason == STOPPED]
    for number in stopped:
        outbound.release(txn, number, now)
    return len(stopped)


async def put(desk: Desk, account: Account, cause: Cause, reason: str) -> BlockRow | None:
    """Block ``account`` and tell people; None where it is blocked already."""
    domain = _domain(account.address)
    row = BlockRow(
        account_id=account.id, address=account.address, at=desk.now(), cause=cause, reason=reason, by=desk.actor.name
    )
    change = Change("blocked add", Address.parse(account.address).key, domain, after=told(row))
    made = False

    def write(txn: Txn) -> None:
        nonlocal made
        standing = blocks.get_block(txn, account.id)
        made = standing is None
        if standing is not None:
            change.before = change.after = told(standing)
            return
        blocks.put_block(txn, row)

    def alarm(txn: Txn) -> None:
        if made:
            alerts.raise_alert(
                txn, kind=ALERT, domain=domain, text=_alert(row), fields={"user": account.address}, now=row.at
            )

    parts: list[tuple[bytes, TxnFunction[None]]] = [(keys.SENDING, write)]
    if cause != "person":
        parts.append((keys.ALERTS, alarm))
    await desk.change(change, parts)
    return row if made else None


def told(row: BlockRow) -> Told:
    """What an audit row says of a block."""
    return {"cause": row.cause, "reason": row.reason}


def _alert(row: BlockRow) -> str:
    return (
        f"{row.address} may send nothing to the world any more: {row.reason}. Mail for colleagues and reading go on. "
        f"If that was not its user: xtramail user passwd {row.address} --generate; what waits: xtramail queue list. "
        f"Then: xtramail blocked release {row.address}"
    )


def _domain(address: str) -> str:
    return Address.parse(address).domain_key
