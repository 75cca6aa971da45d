"""Aliases: addresses that stand for others, here or anywhere; of a whole domain it is a catch-all.

Owns changes and what people are shown. What becomes of mail by them is ``resolution``'s.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from xtramail.directory.alias_chains import AliasChains
from xtramail.directory.alias_targets import refuse_while_target
from xtramail.directory.desk import Change, Desk
from xtramail.directory.places import place_of
from xtramail.directory.resolution import Resolver, Standing, resolver
from xtramail.model.actor import Role
from xtramail.model.address import Address, domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAlias, NoSuchDomain
from xtramail.store import aliases, domains, keys
from xtramail.store.aliases import AliasRow
from xtramail.store.engine import Txn
from xtramail.store.records import DomainRow

MOST_TARGETS = 100
MOST_LOCAL = 64
"""Octets (RFC 5321 §4.5.3.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """``address``: ``sales@example.org``, or ``@example.org`` for every address that is not listed."""

    domain: str
    address: str
    targets: tuple[str, ...]
    created: float = 0.0
    warnings: tuple[str, ...] = ()
    """What whoever sets it ought to know."""

    @property
    def catch_all(self) -> bool:
        return self.address.startswith("@")


def read_source(text: str) -> tuple[str, str, str]:
    """Of ``ADDRESS`` or ``@DOMAIN``: the local part (empty: all), its key, and the domain key. BadInput."""
    text = text.strip()
    if text.startswith("@"):
        return "", "", domain_key(text[1:])
    address = Address.parse(text)
    if len(address.local.encode()) > MOST_LOCAL or any(mark in address.local for mark in "%!@"):
        raise BadInput(f"address {text}: the part before @ has at most {MOST_LOCAL} octets, and none of % ! @")
    return address.local, address.local_key, address.domain_key


def planned(desk: Desk, address: str, targets: Sequence[str], *, known: Container[str] = frozenset()) -> Alias:
    """The alias that would be set, with its warnings; nothing is written.

    ``known``: keys of targets of which it is not asked whether they are there. NoSuchDomain, BadInput (no target, one
    that is nobody, a circle or more than 16 in a row, with the way).
    """
    local, key, name = read_source(address)
    domain = desk.domain(name)
    source = Address(local=local, domain=domain.name) if local else None
    shown = str(source) if source is not None else f"@{domain.name}"
    if not targets:
        raise BadInput(f"alias {shown}: name at least one target, such as ann@{domain.name}")
    seen = _resolver(desk)
    found: dict[str, str] = {}
    for text in targets:
        target = _target(desk, seen, text, shown, source, known)
        found.setdefault(seen.canonical(target).key, str(target))
    if len(found) > MOST_TARGETS:
        raise BadInput(f"alias {shown}: at most {MOST_TARGETS} targets; make aliases of parts of them")
    AliasChains.of(desk).put(f"{key}@{domain.name}", tuple(found.values()))
    made = Alias(domain=domain.name, address=shown, targets=tuple(found.values()), created=desk.now())
    return replace(made, warnings=tuple(_warnings(desk, seen, made, domain, key, set(found))))


async def set_alias(desk: Desk, address: str, targets: Sequence[str]) -> Alias:
    """Let ``address`` stand for ``targets`` and for nobody else. As :func:`planned`."""
    return await _write(desk, planned(desk, address, targets), "alias set")


async def add_alias(desk: Desk, address: str, targets: Sequence[str]) -> Alias:
    """The same, beside those for whom it stands already. AlreadyExists where it stands for all of them."""
    _, key, name = read_source(address)
    standing = desk.engine.read(keys.domain_scope(desk.domain(name).name), lambda snap: aliases.get_alias(snap, key))
    known = () if standing is None else standing.targets
    plan = planned(desk, address, [*known, *targets], known=_keys(desk, known))
    if plan.targets == known:
        raise AlreadyExists(f"{plan.address} leads there already; see: xtramail alias show {plan.address}")
    return await _write(desk, plan, "alias add")


async def remove_alias(desk: Desk, address: str, targets: Sequence[str] = ()) -> Alias:
    """Take ``targets`` off; none named: the whole alias. What is left, with no targets when nothing is.

    NoSuchAlias; NotPermitted where other aliases lead to one that would be gone.
    """
    local, key, name = read_source(address)
    domain = desk.domain(name)
    row = _row(desk, address)
    going = {Address.parse(one).key for one in targets}
    left = [one for one in row.targets if going and Address.parse(one).key not in going]
    strange = going - {Address.parse(one).key for one in row.targets}
    if strange:
        raise NoSuchAlias(f"{_shown(row, domain)}: {', '.join(sorted(strange))} is no target of it")
    if left:
        return await _write(desk, planned(desk, address, left, known=_keys(desk, left)), "alias remove")
    scope = keys.domain_scope(domain.name)
    if local and desk.engine.read(scope, lambda snap: domains.get_recipient(snap, key)) is None:
        refuse_while_target(desk, Address(local=local, domain=domain.name), what="alias")
    told = Change("alias remove", _shown(row, domain), domain.name, before={"targets": ", ".join(row.targets)})

    def take(txn: Txn) -> None:
        if not aliases.delete_alias(txn, key):
            raise NoSuchAlias(f"{_shown(row, domain)}: it is no alias; see: xtramail alias list {domain.name}")

    await desk.change(told, [(scope, take)])
    return Alias(domain=domain.name, address=_shown(row, domain), targets=(), created=row.created)


def alias_of(desk: Desk, address: str) -> Alias:
    """One, with its warnings. NoSuchDomain, NoSuchAlias."""
    row, (_, key, name) = _row(desk, address), read_source(address)
    domain, seen = desk.domain(name), _resolver(desk)
    one = _alias(row, domain)
    named = {seen.canonical(Address.parse(text)).key for text in one.targets}
    return replace(one, warnings=tuple(_warnings(desk, seen, one, domain, key, named)))


def aliases_of(desk: Desk, domain: str) -> list[Alias]:
    """Those of one domain: the catch-all first, then by address. NoSuchDomain."""
    row = desk.domain(domain)
    return [_alias(one, row) for one in desk.engine.read(keys.domain_scope(row.name), aliases.aliases)]


def all_aliases(desk: Desk) -> list[Alias]:
    """Of every domain that the actor may see."""
    desk.require(Role.DOMAIN, "the list of aliases")
    return [one for row in desk.domains() for one in aliases_of(desk, row.name)]


async def _write(desk: Desk, plan: Alias, what: str) -> Alias:
    local, key, _ = read_source(plan.address)
    told = Change(what, plan.address, plan.domain, after={"targets": ", ".join(plan.targets)})

    def put(txn: Txn) -> AliasRow:
        if domains.get_domain(txn) is None:
            raise NoSuchDomain(f"domain {plan.domain} is not served here; see: xtramail domain list")
        standing = aliases.get_alias(txn, key)
        told.before = None if standing is None else {"targets": ", ".join(standing.targets)}
        created = desk.now() if standing is None else standing.created
        row = AliasRow(local=local, targets=plan.targets, created=created)
        aliases.put_alias(txn, key, row)
        return row

    results = await desk.change(told, [(keys.domain_scope(plan.domain), put)])
    return replace(plan, created=results[0].created)


def _keys(desk: Desk, targets: Sequence[str]) -> set[str]:
    """Of targets that it has already: whether they are still there is not asked again."""
    seen = _resolver(desk)
    return {seen.canonical(Address.parse(one)).key for one in targets}


def _row(desk: Desk, address: str) -> AliasRow:
    _, key, name = read_source(address)
    domain = desk.domain(name)
    row = desk.engine.read(keys.domain_scope(domain.name), lambda snap: aliases.get_alias(snap, key))
    if row is None:
        raise NoSuchAlias(f"{address}: it is no alias; see: xtramail alias list {domain.name}")
    return row


def _resolver(desk: Desk) -> Resolver:
    """For domains that the actor may see; all others are elsewhere."""
    whole = resolver(desk.engine, desk.clock)

    def served(name: str) -> DomainRow | None:
        row = whole.served(name)
        return row if row is not None and desk.sees(row) else None

    return replace(whole, served=served)


def _target(
    desk: Desk, seen: Resolver, text: str, shown: str, source: Address | None, known: Container[str]
) -> Address:
    target = Address.parse(text)
    if target.domain_key.startswith("["):
        raise BadInput(f"alias {shown}: target {text}: name its domain, not an address of a machine")
    if len(target.local.encode()) > MOST_LOCAL or any(mark in target.local for mark in "%!@"):
        raise BadInput(
            f"alias {shown}: target {text}: the part before @ has at most {MOST_LOCAL} octets, and none of % ! @"
        )
    own = source is not None and seen.canonical(target).key == source.key
    if seen.canonical(target).key in known:
        return target
    domain = seen.served(target.domain)
    if domain is not None and not own and seen.resolve(target).standing is Standing.UNKNOWN:
        raise BadInput(
            f"alias {shown}: target {target}: there is no such user or alias; add it first: xtramail user add {target}"
        )
    alone = source is None and domain is not None and not domain.primaries and shown == f"@{domain.name}"
    if alone and domain is not None and not seen.look(domain, target.local_key).named:
        raise BadInput(f"alias {shown}: target {target} is itself none but by this alias; name a user")
    if own and source is not None and domain is not None:
        local = source.local_key
        if desk.engine.read(keys.domain_scope(domain.name), lambda snap: domains.get_recipient(snap, local)) is None:
            raise BadInput(f"alias {shown}: {shown} -> {shown} leads to itself, and there is no user of that name")
    return target


def _warnings(
    desk: Desk, seen: Resolver, one: Alias, domain: DomainRow, key: str, targets: set[str]
) -> list[str]:
    found = []
    relayed = bool(domain.primaries)
    scope = keys.domain_scope(domain.name)
    if one.catch_all:
        found.append(
            f"mail to every address of {domain.name} is taken: spam to names that somebody made up comes with it, is "
            f"forwarded, and its bounces go to senders who never wrote it"
        )
        if relayed and domain.recipients == "ask":
            found.append(f"recipients of {domain.name} are put to its primary no more, which refuses some afterwards")
        return found
    place = desk.engine.read(scope, lambda snap: place_of(snap, domain, key))
    user = desk.engine.read(scope, lambda snap: domains.get_recipient(snap, key))
    if user is not None and f"{key}@{domain.name}" not in targets:
        found.append(
            f"the mailbox of {one.address} gets nothing more; name it as a target, too, to keep it: "
            f"xtramail alias add {one.address} {one.address}"
        )
    if place.relay:
        others = [
            text for text in one.targets
            if (at := seen.served(Address.parse(text).domain)) is None or at.tenant != domain.tenant
        ]  # fmt: skip
        if others:
            found.append(
                f"mail to {one.address} is handed to the primary as it was written, and forwarded by nobody here: "
                f"{', '.join(others[:5])} must get it from there"
            )
    return found


def _alias(row: AliasRow, domain: DomainRow) -> Alias:
    return Alias(domain=domain.name, address=_shown(row, domain), targets=row.targets, created=row.created)


def _shown(row: AliasRow, domain: DomainRow) -> str:
    return str(Address(local=row.local, domain=domain.name)) if row.local else f"@{domain.name}"
