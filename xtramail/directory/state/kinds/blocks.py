"""Users who may send nothing to the world."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast, get_args

from xtramail.directory.blocks import MOST_REASON, let_go
from xtramail.directory.state.kind import Kind, Row, Says, Work, World
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.address import Address
from xtramail.store import blocks, keys, rates, sending_keys
from xtramail.store.blocks import BlockRow, Cause
from xtramail.store.engine import Txn


class BlockState(Row, frozen=True):
    address: str
    cause: str = "person"
    reason: str = ""
    by: str = ""
    at: str = ""


class Blocks(Kind[BlockState]):
    name = "blocks"
    doc = "users who may send nothing to the world"
    row = BlockState
    keys = ("address",)
    moments = frozenset({"at"})

    def read(self, world: World) -> Iterator[BlockState]:
        served = {domain.name for domain in world.domains}
        for row in world.desk.engine.read(keys.SENDING, blocks.blocks):
            if Address.parse(row.address).domain_key in served:
                yield BlockState(
                    address=row.address, cause=row.cause, reason=row.reason, by=row.by, at=moment_text(row.at)
                )

    def key(self, row: BlockState) -> str:
        return Address.parse(row.address).key

    def domain(self, row: BlockState) -> str:
        return Address.parse(row.address).domain_key

    def regular(self, row: BlockState, says: Says) -> BlockState:
        says.made("at", read_moment, row.at, 0.0)
        if row.cause not in get_args(Cause):
            says.wrong("cause", f"{row.cause!r}: choose one of {', '.join(get_args(Cause))}")
        if (
            not row.reason.strip()
            or not row.reason.isprintable()
            or (row.cause == "person" and len(row.reason) > MOST_REASON)
        ):
            says.wrong("reason", f"one line of at most {MOST_REASON} characters, which its user reads")
        return row

    def check(self, row: BlockState, before: BlockState | None, world: World, says: Says) -> None:
        if self.key(row) not in world.after("users"):
            says.wrong("address", f"there is no user {row.address}; add him first, or to the file")

    def write(self, before: BlockState | None, after: BlockState | None, work: Work) -> None:
        address = (after or before or BlockState(address="")).address
        account_id = work.account_id(Address.parse(address).key)

        def put(txn: Txn) -> None:
            if after is None:
                blocks.delete_block(txn, account_id)
                rates.forgive(txn, sending_keys.user(account_id), work.now)
                return
            standing = blocks.get_block(txn, account_id)
            row = BlockRow(
                account_id=account_id,
                address=after.address,
                at=kept_moment(after.at, 0.0 if standing is None else standing.at) or work.now,
                cause=cast(Cause, after.cause),
                reason=after.reason,
                by=after.by,
            )
            blocks.put_block(txn, row)

        work.part(keys.SENDING, put)
        if after is None:
            work.part(keys.QUEUE, partial(let_go, account_id=account_id, now=work.now))
