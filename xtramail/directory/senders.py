"""Who may send as an address: its own user, whom it stands for, and whoever was named as an owner of it.

Where owners are named, they alone decide, beside its own user: an alias of many is no sender address of all of them.
Owns changes and what people are shown; :func:`may_send` is what the server asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from xtramail.directory.desk import Change, Desk
from xtramail.model.actor import Role
from xtramail.model.address import Address, domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain, NoSuchSender
from xtramail.store import accounts, domains, keys, senders
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import Account
from xtramail.store.senders import SenderRow

EVERYBODY = "*"
"""Local part that stands for all of a domain."""
MOST = 100
"""Owners of one address."""
GONE = "removed user"
"""In the place of an owner who is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderAddress:
    """``owners``: addresses of the accounts that may send as ``address``, by name."""

    domain: str
    address: str
    """``*@domain``: any of it."""
    owners: tuple[str, ...]


def read_address(text: str) -> tuple[str, str, str]:
    """Of ``ADDRESS`` or ``*@DOMAIN``: the local part (empty: all), its key, and the domain key. BadInput."""
    local, at, name = text.strip().rpartition("@")
    if at and local == EVERYBODY:
        return "", "", domain_key(name)
    address = Address.parse(text)
    return address.local, address.local_key, address.domain_key


def may_send(snap: Snapshot, local_key: str, account_id: int) -> bool | None:
    """Whether the owners of an address (scope of its domain) name the account; None where nobody was named for it."""
    one = senders.get_sender(snap, local_key)
    every = senders.get_sender(snap, "")
    if any(row is not None and account_id in row.owners for row in (one, every)):
        return True
    return None if one is None else False


async def add_sender(desk: Desk, address: str, owners: Sequence[str]) -> SenderAddress:
    """Let ``owners`` (users, be it of another domain) send as ``address``, beside those who may already.

    NoSuchDomain, NoSuchAccount, AlreadyExists where all of them may already, BadInput.
    """
    local, key, name = read_address(address)
    domain = desk.domain(name).name
    if not owners:
        raise BadInput(f"owners of {address}: name at least one user, such as ann@{domain}")
    found = [_owner(desk, one) for one in owners]
    change = Change("sender add", _shown(local, domain), domain)

    def put(txn: Txn) -> SenderRow:
        if domains.get_domain(txn) is None:
            raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
        standing = senders.get_sender(txn, key)
        known = () if standing is None else standing.owners
        row = SenderRow(
            local=local,
            owners=tuple(dict.fromkeys((*known, *(account.id for account in found)))),
            created=desk.now() if standing is None else standing.created,
        )
        if row.owners == known:
            raise AlreadyExists(f"{_shown(local, domain)}: they may send as it already; see: xtramail sender list")
        if len(row.owners) > MOST:
            raise BadInput(f"owners of {_shown(local, domain)}: at most {MOST}; remove some first")
        senders.put_sender(txn, key, row)
        return row

    before = _get(desk.engine, domain, key)
    change.before = None if before is None else {"owners": ",".join(_names(desk.engine, before))}
    known_names = () if before is None else _names(desk.engine, before)
    change.after = {"owners": ",".join(sorted({*known_names, *(one.address for one in found)}))}
    results = await desk.change(change, [(keys.domain_scope(domain), put)])
    return _of_row(desk.engine, domain, results[0])


async def remove_sender(desk: Desk, address: str, owners: Sequence[str] = ()) -> SenderAddress:
    """Take ``owners`` off; none named: all of them. What is left. NoSuchSender."""
    local, key, name = read_address(address)
    domain = desk.domain(name).name
    missing = NoSuchSender(f"{_shown(local, domain)}: no owners are named for it; see: xtramail sender list {domain}")
    standing = _get(desk.engine, domain, key)
    if standing is None:
        raise missing
    named = dict(zip(standing.owners, _names_of(desk.engine, standing), strict=True))
    wanted = {GONE if one == GONE else Address.parse(one).key for one in owners}
    going = {number for number, text in named.items() if not wanted or _key(text) in wanted}
    strange = wanted - {_key(text) for text in named.values()}
    if strange:
        raise NoSuchSender(f"{_shown(local, domain)}: {', '.join(sorted(strange))} is no owner of it")
    change = Change("sender remove", _shown(local, domain), domain)
    left = sorted(text for number, text in named.items() if number not in going)
    change.before = {"owners": ",".join(sorted(named.values()))}
    change.after = {"owners": ",".join(left)} if left else None

    def take(txn: Txn) -> SenderRow:
        row = senders.get_sender(txn, key)
        if row is None:
            raise missing
        kept = replace(row, owners=tuple(one for one in row.owners if one not in going))
        if kept.owners:
            senders.put_sender(txn, key, kept)
        else:
            senders.delete_sender(txn, key)
        return kept

    results = await desk.change(change, [(keys.domain_scope(domain), take)])
    return _of_row(desk.engine, domain, results[0])


def sender_of(desk: Desk, address: str) -> SenderAddress:
    """NoSuchDomain, NoSuchSender."""
    local, key, name = read_address(address)
    domain = desk.domain(name).name
    row = _get(desk.engine, domain, key)
    if row is None:
        raise NoSuchSender(f"{_shown(local, domain)}: no owners are named for it; see: xtramail sender list {domain}")
    return _of_row(desk.engine, domain, row)


def senders_of(desk: Desk, domain: str) -> list[SenderAddress]:
    """Those of one domain, by address. NoSuchDomain."""
    name = desk.domain(domain).name
    return [_of_row(desk.engine, name, row) for row in desk.engine.read(keys.domain_scope(name), senders.senders)]


def all_senders(desk: Desk) -> list[SenderAddress]:
    """Of every domain that the actor may see."""
    desk.require(Role.DOMAIN, "the list of sender addresses")
    return [
        _of_row(desk.engine, domain.name, row)
        for domain in desk.domains()
        for row in desk.engine.read(keys.domain_scope(domain.name), senders.senders)
    ]


def _owner(desk: Desk, text: str) -> Account:
    account = desk.account(Address.parse(text))
    if account.kind == "list":
        raise BadInput(f"owner {text}: is of type list, to which nobody logs in; name a user")
    return account


def _get(engine: Engine, domain: str, key: str) -> SenderRow | None:
    return engine.read(keys.domain_scope(domain), lambda snap: senders.get_sender(snap, key))


def _of_row(engine: Engine, domain: str, row: SenderRow) -> SenderAddress:
    return SenderAddress(domain=domain, address=_shown(row.local, domain), owners=_names(engine, row))


def _names(engine: Engine, row: SenderRow) -> tuple[str, ...]:
    return tuple(sorted(_names_of(engine, row)))


def _names_of(engine: Engine, row: SenderRow) -> list[str]:
    """In the order of the owners."""
    found = (engine.read(keys.user_scope(number), accounts.get_account) for number in row.owners)
    return [GONE if account is None else account.address for account in found]


def _key(text: str) -> str:
    return text if text == GONE else Address.parse(text).key


def _shown(local: str, domain: str) -> str:
    return str(Address(local=local, domain=domain)) if local else f"{EVERYBODY}@{domain}"
