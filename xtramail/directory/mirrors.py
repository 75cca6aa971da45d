"""Mirrors: mail of a domain or of single addresses, kept in one mailbox beside, or in their own, with days of its own.

A mirror is a second reader: what it keeps is never handed on, never a reason to refuse mail, and going through it
changes nothing for those whose mail it is. Owns who mirrors whom; the copies are made by ``delivery``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xtramail.directory.desk import Change, Desk
from xtramail.directory.places import lives_here
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain
from xtramail.store import accounts, domains, keys, mirrors, schema
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.mirrors import MirrorRow
from xtramail.store.records import Account, DomainRow

MAX_DAYS = 3_650
_REMEMBERED = 4_096
OWN = "own"
GONE = "gone"
"""What stands for a mailbox: each user's own, or one that was removed since."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """The class and days of copies."""

    retention_class: int
    days: int


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A mailbox that gets a copy beside, and how long it keeps it."""

    account: Account
    keeping: Keeping


@dataclass(frozen=True, slots=True)
class Mirror:
    """One of them, for people. ``into`` None: each user's own mailbox, or (``row.into``) an account that is gone."""

    domain: str
    row: MirrorRow
    into: Account | None

    @property
    def source(self) -> str:
        return f"{self.row.local}@{self.domain}" if self.row.local else self.domain

    @property
    def target(self) -> str:
        """The address of ``into``, OWN or GONE."""
        if self.into is not None:
            return self.into.address
        return GONE if self.row.into else OWN


def own_mirror(snap: Snapshot, local_key: str) -> MirrorRow | None:
    """The mirror (scope of the domain) that keeps an address's mail in its own mailbox: the one with the most days."""
    own = [row for row in mirrors.mirrors_for(snap, local_key) if not row.into]
    return max(own, key=lambda row: row.days, default=None)


def kept_for(snap: Snapshot, domain: DomainRow, local_key: str) -> Keeping | None:
    """How an address's own mailbox keeps its mail (scope of the domain); None: not at all."""
    own = own_mirror(snap, local_key)
    if own is None or not own.retention_class:
        if own is None and not domain.continuity and not lives_here(snap, domain, local_key):
            return None
        return Keeping(retention_class=domain.retention_class, days=domain.retention_days)
    return Keeping(retention_class=own.retention_class, days=own.days)


class Beside:
    """In which mailboxes beside mail is kept. What it knows of a domain holds until a row of some domain is written:
    each message asks, and nearly all domains have none."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._as_of = -1
        self._known: dict[str, list[tuple[str, int, Keeping]]] = {}

    def mirrored(self, addresses: Iterable[Address]) -> tuple[Mirrored, ...]:
        """The mailboxes beside in which mail of these is kept, each once, with the most days of any of them."""
        found: dict[int, Mirrored] = {}
        newest = self._engine.domain_writes()
        if newest != self._as_of or len(self._known) >= _REMEMBERED:
            self._known.clear()
            self._as_of = newest
        for address in dict.fromkeys(addresses):
            try:
                name = address.domain_key
            except BadInput:
                # What the envelope of a stranger said.
                continue
            for local, number, keeping in self._of_domain(name):
                if local and local != address.local_key:
                    continue
                known = found.get(number)
                if known is not None and known.keeping.days >= keeping.days:
                    continue
                account = self._engine.read(keys.user_scope(number), accounts.get_account)
                if account is not None and account.kind != "list":
                    found[number] = Mirrored(account=account, keeping=keeping)
        return tuple(found.values())

    def _of_domain(self, name: str) -> list[tuple[str, int, Keeping]]:
        rows = self._known.get(name)
        if rows is None:
            rows = self._known[name] = self._engine.read(keys.domain_scope(name), _rows)
        return rows


def _rows(snap: Snapshot) -> list[tuple[str, int, Keeping]]:
    """Local key (empty: all), account and keeping of each mirror of a domain that is a mailbox beside."""
    rows = [row for row in mirrors.mirrors(snap) if row.into]
    domain = domains.get_domain(snap) if rows else None
    if domain is None:
        return []
    own = Keeping(retention_class=domain.retention_class, days=domain.retention_days)
    return [
        (row.local, row.into, Keeping(row.retention_class, row.days) if row.retention_class else own) for row in rows
    ]


async def add_mirror(desk: Desk, source: str, *, into: str = "", days: int = 0) -> Mirror:
    """Mirror a domain or an address from now on.

    ``into`` empty: into each user's own mailbox. ``days`` 0: the domain's. BadInput names the field and its rule.
    NoSuchDomain, NoSuchAccount, AlreadyExists.
    """
    domain, local = _source(desk, source)
    desk.require_change("mirror add")
    if days and not 1 <= days <= MAX_DAYS:
        raise BadInput(f"days {days}: a number from 1 to {MAX_DAYS}")
    account = desk.account(Address.parse(into)) if into else None
    if account is not None and account.kind == "list":
        raise BadInput(f"into {into}: it is of type list and has no mailbox; name a user")
    number = 0 if account is None else account.id
    taken = AlreadyExists(f"{source} is mirrored there already; take it back first: xtramail mirror remove {source}")
    scope = keys.domain_scope(domain.name)
    if _same(desk.engine.read(scope, mirrors.mirrors), local, number) is not None:
        raise taken
    retention_class = 0
    if days:
        # For good, whatever the domain's become; without, its copies lie where the domain's do, and share the bodies.
        owner = f"mirror of {source}"
        retention_class = await desk.engine.transact(
            keys.STORE, lambda txn: schema.new_retention_class(txn, days, owner)
        )

    def put(txn: Txn) -> MirrorRow:
        rows = mirrors.mirrors(txn)
        if domains.get_domain(txn) is None:
            raise NoSuchDomain(f"domain {domain.name} is not served here; see: xtramail domain list")
        if _same(rows, local, number) is not None:
            raise taken
        row = MirrorRow(
            id=max((row.id for row in rows), default=0) + 1,
            local=local,
            into=number,
            retention_class=retention_class,
            days=days,
            created=desk.now(),
        )
        mirrors.put_mirror(txn, row)
        return row

    told = Change("mirror add", source, domain.name, after={"into": into or OWN, "days": days or domain.retention_days})
    results = await desk.change(told, [(scope, put)])
    return Mirror(domain=domain.name, row=results[0], into=account)


async def remove_mirror(desk: Desk, source: str, *, into: str = "") -> Mirror:
    """Mirror it no more; what was kept goes with its days.

    ``into`` is an address, OWN, GONE, or empty: the only mirror of it. BadInput.
    """
    domain, local = _source(desk, source)
    mine = [one for one in list_mirrors(desk, domain.name) if one.row.local == local]
    if into in (OWN, GONE):
        mine = [one for one in mine if one.target == into]
    elif into:
        wanted = desk.account(Address.parse(into)).id
        mine = [one for one in mine if one.row.into == wanted]
    if not mine:
        raise BadInput(f"{source}: it is not mirrored{' there' if into else ''}; see: xtramail mirror list")
    if len(mine) > 1 and into != GONE:
        places = ", ".join(sorted({one.target for one in mine}))
        raise BadInput(f"{source}: it is mirrored {len(mine)} times; name one with --into: {places}")
    gone = mine[0]
    told = Change("mirror remove", source, domain.name, before={"into": gone.target, "days": gone.row.days})
    await desk.change(told, [(keys.domain_scope(domain.name), lambda txn: mirrors.delete_mirror(txn, gone.row.id))])
    return gone


def list_mirrors(desk: Desk, name: str) -> list[Mirror]:
    """The mirrors of a domain and its addresses. NoSuchDomain."""
    domain = desk.domain(name)
    return [
        Mirror(
            domain=domain.name,
            row=row,
            into=desk.engine.read(keys.user_scope(row.into), accounts.get_account) if row.into else None,
        )
        for row in desk.engine.read(keys.domain_scope(domain.name), mirrors.mirrors)
    ]


def _source(desk: Desk, source: str) -> tuple[DomainRow, str]:
    """The served domain of a domain's or an address's name, and the local key (empty: all of it)."""
    if "@" not in source:
        return desk.domain(source), ""
    address = Address.parse(source)
    return desk.domain(address.domain), address.local_key


def _same(rows: Iterable[MirrorRow], local: str, into: int) -> MirrorRow | None:
    return next((row for row in rows if (row.local, row.into) == (local, into)), None)
