"""Mirrors: whose mail is kept beside, where, and for how many days."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from msgspec.structs import replace

from xtramail.directory.mirrors import GONE, MAX_DAYS, list_mirrors
from xtramail.directory.state.kind import Kind, Row, Says, Work, World, same
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.address import Address, domain_key
from xtramail.store import keys, mirrors, schema
from xtramail.store.engine import Txn
from xtramail.store.mirrors import MirrorRow


class MirrorState(Row, frozen=True):
    source: str
    """A domain or an address."""
    into: str = ""
    """Whose INBOX gets the copies; empty: each user's own mailbox."""
    days: int = 0
    created: str = ""


class Mirrors(Kind[MirrorState]):
    name = "mirrors"
    doc = "mail that is kept in one mailbox beside, or for days of its own"
    row = MirrorState
    keys = ("source", "into")
    optional_keys = frozenset({"into"})

    def read(self, world: World) -> Iterator[MirrorState]:
        for domain in world.domains:
            for one in list_mirrors(world.desk, domain.name):
                if one.target != GONE:
                    into = one.into.address if one.into is not None else ""
                    created = moment_text(one.row.created)
                    yield MirrorState(source=one.source, into=into, days=one.row.days, created=created)

    def key(self, row: MirrorState) -> str:
        local, name = _source(row)
        into = Address.parse(row.into).key if row.into else "own"
        return f"{f'{local}@{name}' if local else name} into {into}"

    def domain(self, row: MirrorState) -> str:
        return _source(row)[1]

    def regular(self, row: MirrorState, says: Says) -> MirrorState:
        if not 0 <= row.days <= MAX_DAYS:
            says.wrong("days", f"{row.days}: a number from 1 to {MAX_DAYS}; 0 for the domain's")
        says.made("created", read_moment, row.created, 0.0)
        local, name = _source(row)
        return replace(row, source=f"{local}@{name}" if local else name)

    def check(self, row: MirrorState, before: MirrorState | None, world: World, says: Says) -> None:
        name = self.domain(row)
        if not world.serves(name):
            says.wrong("source", f"domain {name} is not served here; add it first, or to the file")
        if row.into:
            user = world.after("users").get(Address.parse(row.into).key)
            if user is None or user.type == "list":
                says.wrong("into", f"there is no user {row.into} with a mailbox; add him first, or to the file")

    def write(self, before: MirrorState | None, after: MirrorState | None, work: Work) -> None:
        either = after or before or MirrorState(source="")
        local, name = _source(either)
        into = work.account_id(Address.parse(either.into).key) if either.into else 0
        scope = keys.domain_scope(name)
        if after is None:
            work.part(scope, partial(_delete, local, into))
            return
        made: list[int] = [0]
        if after.days and (before is None or before.days == 0):
            owner = f"mirror of {after.source}"

            def make(txn: Txn) -> None:
                made[0] = schema.new_retention_class(txn, after.days, owner)

            work.part(keys.STORE, make)
        put: list[MirrorRow] = []
        work.part(scope, lambda txn: put.__setitem__(slice(None), [_put(local, into, after, made[0], work.now, txn)]))
        if before is not None and before.days and after.days and before.days != after.days:
            work.part(keys.STORE, lambda txn: schema.set_retention_days(txn, put[0].retention_class, after.days))


def _source(row: MirrorState) -> tuple[str, str]:
    """Local key (empty: all of it) and domain key."""
    if "@" in row.source:
        address = Address.parse(row.source)
        return address.local_key, address.domain_key
    return "", domain_key(row.source)


def _delete(local: str, into: int, txn: Txn) -> None:
    for row in mirrors.mirrors(txn):
        if (row.local, row.into) == (local, into):
            mirrors.delete_mirror(txn, row.id)


def _put(local: str, into: int, state: MirrorState, retention_class: int, now: float, txn: Txn) -> MirrorRow:
    rows = mirrors.mirrors(txn)
    found = next((row for row in rows if (row.local, row.into) == (local, into)), None)
    if found is None:
        number = max((row.id for row in rows), default=0) + 1
        found = MirrorRow(id=number, local=local, into=into, created=now)
    kept = found.retention_class or retention_class
    row = replace(
        found,
        retention_class=kept if state.days else 0,
        days=state.days,
        created=kept_moment(state.created, found.created) or now,
    )
    same(bool(state.days), bool(row.retention_class))
    mirrors.put_mirror(txn, row)
    return row
