"""Drills as people ask for them: begun, stopped, looked at. What happens in one is ``delivery/drill``'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from xtramail.directory.desk import Change, Desk, Told
from xtramail.directory.places import place_of
from xtramail.directory.primaries import primary_of
from xtramail.directory.users import OUTSIDE
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.clock import utc_text
from xtramail.model.errors import BadInput, NoSuchAccount
from xtramail.model.primary import State
from xtramail.store import accounts, drills, keys
from xtramail.store.drills import DrillRow, Pilot, Step
from xtramail.store.engine import Txn
from xtramail.store.records import Account, DomainRow

MOST_PILOTS = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """``bare``: addresses of those who take part and could not log in now."""

    row: DrillRow
    pilots: tuple[Pilot, ...]
    bare: tuple[str, ...]


async def begin_drill(
    desk: Desk, name: str, users: Sequence[str], *, seconds: float, canary: str = "", steps: Sequence[Step]
) -> Begun:
    """Begin one of ``users`` (addresses, or what is before @), who have ``steps`` before them.

    ``canary``: to whom their canaries go; empty: to themselves. NoSuchDomain; BadInput says why there can be none.
    """
    domain = desk.domain(name)
    chosen = _chosen(desk, domain, users)
    if canary:
        Address.parse(canary)
    _refuse_unready(desk, domain)
    now = desk.now()
    row = DrillRow(
        id=keys.micros(now),
        domain=domain.name,
        started=now,
        ends=now + seconds,
        by=desk.actor.name,
        canary=canary,
    )
    pilots = tuple(
        Pilot(account_id=one.id, address=one.address, outside=one.settings.get(OUTSIDE, ""), steps=tuple(steps))
        for one in chosen
    )
    after: Told = {"drill": row.id, "ends": utc_text(row.ends), "users": ",".join(one.address for one in chosen)}
    told = Change("drill start", domain.name, domain.name, after=after)
    await desk.change(told, [(keys.DRILLS, partial(drills.begin, row=row, pilots=pilots))])
    return Begun(row, pilots, tuple(one.address for one in chosen if not _could_log_in(desk, one)))


async def stop_drill(desk: Desk, drill_id: int) -> DrillRow:
    """What it left is removed within seconds. BadInput where there is none of that id, or it is over."""
    row = find_drill(desk, drill_id)
    told = Change("drill stop", row.domain, row.domain)

    def stop(txn: Txn) -> DrillRow:
        ended = drills.end(txn, row.id, desk.now(), by=desk.actor.name)
        if ended is None:
            raise BadInput(f"drill {row.id} is over already; see: xtramail drill report {row.id}")
        told.after = {"drill": row.id}
        return ended

    ended: DrillRow = (await desk.change(told, [(keys.DRILLS, stop)]))[0]
    return ended


def find_drill(desk: Desk, drill_id: int) -> DrillRow:
    """BadInput for one that is not there, or of a domain that the actor may not see."""
    row = desk.engine.read(keys.DRILLS, partial(drills.drill, drill_id=drill_id))
    if row is None or row.domain not in {one.name for one in desk.domains()}:
        raise BadInput(f"id {str(drill_id)!r}: no such drill; see: xtramail drill status")
    desk.domain(row.domain)
    return row


def list_drills(desk: Desk, name: str = "") -> list[DrillRow]:
    """Of one domain, or of all that the actor sees, the newest first. NoSuchDomain."""
    desk.require(Role.DOMAIN, "the list of drills")
    names = {desk.domain(name).name} if name else {row.name for row in desk.domains()}
    return [row for row in desk.engine.read(keys.DRILLS, drills.drills) if row.domain in names]


def pilots_of(desk: Desk, drill_id: int) -> list[Pilot]:
    """Who takes part in one, or took. As :func:`find_drill`."""
    row = find_drill(desk, drill_id)
    return desk.engine.read(keys.DRILLS, partial(drills.pilots, drill_id=row.id))


def _chosen(desk: Desk, domain: DomainRow, users: Sequence[str]) -> list[Account]:
    found: dict[int, Account] = {}
    for word in users:
        address = Address.parse(word if "@" in word else f"{word}@{domain.name}")
        try:
            account = desk.account(address)
        except NoSuchAccount:
            account = None
        if account is None or account.kind == "list" or address.domain_key != domain.name:
            raise BadInput(
                f"users {word!r}: no user of {domain.name} with a mailbox; "
                f"see: xtramail user list --domain {domain.name}"
            )
        look = partial(place_of, domain=domain, local_key=address.local_key)
        place = desk.engine.read(keys.domain_scope(domain.name), look)
        if domain.primaries and place.destination != domain.name:
            raise BadInput(
                f"users {word!r}: lives {'at a host of its own' if place.apart else 'here'}, so that an outage of the "
                f"primary does not concern it; see: xtramail route list {domain.name}"
            )
        found[account.id] = account
    if not 1 <= len(found) <= MOST_PILOTS:
        raise BadInput(f"users: name from 1 to {MOST_PILOTS} of {domain.name}")
    return list(found.values())


def _could_log_in(desk: Desk, account: Account) -> bool:
    look = partial(accounts.can_log_in, account=account, now=desk.now())
    return desk.engine.read(keys.user_scope(account.id), look)


def _refuse_unready(desk: Desk, domain: DomainRow) -> None:
    if not domain.primaries:
        raise BadInput(f"domain {domain.name} is local: there is no primary whose absence could be rehearsed")
    if not domain.continuity:
        raise BadInput(
            f"domain {domain.name} keeps no copies, so nobody could read mail here; "
            f"switch them on: xtramail domain set {domain.name} continuity=on"
        )
    state = primary_of(desk.engine, domain.name).state
    if state not in (State.UP, State.SUSPECT):
        raise BadInput(f"the primary of {domain.name} is {state}, which is no drill; see: xtramail outage status")
