"""Sender addresses: who may send as an address that is not his own."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from xtramail.directory.senders import EVERYBODY, GONE, MOST, all_senders, read_address
from xtramail.directory.state.kind import Kind, Row, Says, Work, World
from xtramail.model.address import Address
from xtramail.store import keys, senders
from xtramail.store.engine import Txn
from xtramail.store.senders import SenderRow


class SenderState(Row, frozen=True):
    address: str
    """``*@domain``: any of it."""
    owners: tuple[str, ...] = ()


class Senders(Kind[SenderState]):
    name = "senders"
    doc = "who may send as an address that is not his own"
    row = SenderState
    keys = ("address",)

    def read(self, world: World) -> Iterator[SenderState]:
        names = {domain.name for domain in world.domains}
        for one in all_senders(world.desk):
            owners = tuple(sorted(name for name in one.owners if name != GONE))
            if one.domain in names and owners:
                yield SenderState(address=one.address, owners=owners)

    def key(self, row: SenderState) -> str:
        _, key, name = read_address(row.address)
        return f"{key or EVERYBODY}@{name}"

    def domain(self, row: SenderState) -> str:
        return read_address(row.address)[2]

    def regular(self, row: SenderState, says: Says) -> SenderState:
        owners = {says.made("owners", lambda text: str(Address.parse(text)), one, one) for one in row.owners}
        if not 1 <= len(owners) <= MOST:
            says.wrong("owners", f"name 1 to {MOST} users")
        return replace(row, owners=tuple(sorted(owners)))

    def check(self, row: SenderState, before: SenderState | None, world: World, says: Says) -> None:
        name = self.domain(row)
        if not world.serves(name):
            says.wrong("address", f"domain {name} is not served here; add it first, or to the file")
        for one in row.owners:
            user = world.after("users").get(Address.parse(one).key)
            if user is None or user.type == "list":
                says.wrong("owners", f"there is no user {one}; add him first, or to the file")

    def write(self, before: SenderState | None, after: SenderState | None, work: Work) -> None:
        local, key, name = read_address((after or before or SenderState(address="")).address)
        if after is None:
            work.part(keys.domain_scope(name), lambda txn: senders.delete_sender(txn, key))
            return
        owners = tuple(work.account_id(Address.parse(one).key) for one in after.owners)

        def put(txn: Txn) -> None:
            standing = senders.get_sender(txn, key)
            created = work.now if standing is None else standing.created
            senders.put_sender(txn, key, SenderRow(local=local, owners=owners, created=created))

        work.part(keys.domain_scope(name), put)
