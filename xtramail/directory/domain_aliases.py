"""Domain aliases: domains that are only other names of one that is served. Each address is that of the same local part.

Mail to them is handed to the other domain's primary as it was written, and users log in under both names.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.alias_chains import AliasChains
from xtramail.directory.desk import Change, Desk
from xtramail.model.actor import Role
from xtramail.model.address import domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain
from xtramail.store import aliases, dkim, domains, keys
from xtramail.store.aliases import AliasOfRow
from xtramail.store.engine import Txn


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainAlias:
    """``name`` is another name of ``domain``."""

    name: str
    domain: str
    created: float = 0.0


def planned(desk: Desk, name: str, domain: str) -> DomainAlias:
    """What would be added; nothing is written. NoSuchDomain, AlreadyExists, BadInput, NotPermitted.

    For operators: nobody has proved that ``name`` is his.
    """
    key, row = domain_key(name), desk.domain(domain)
    desk.require(Role.OPERATOR, f"domain-alias add {key}")
    if key.startswith("["):
        raise BadInput(f"domain {name}: a name, not an address of a machine")
    served, other = desk.engine.read(
        keys.domain_scope(key), lambda snap: (domains.get_domain(snap), aliases.get_alias_of(snap))
    )
    if served is not None:
        raise AlreadyExists(f"domain {key} is served with users of its own; first: xtramail domain remove {key}")
    if other is not None:
        raise AlreadyExists(
            f"domain {key} is another name of {other.domain} already; first: xtramail domain-alias remove {key}"
        )
    # Aliases led into the world by this name until now.
    AliasChains.of(desk, also={key: row.name}).check()
    return DomainAlias(name=key, domain=row.name, created=desk.now())


async def add_domain_alias(desk: Desk, name: str, domain: str) -> DomainAlias:
    """Let every address of ``name`` be that of the same local part of ``domain``. As :func:`planned`."""
    plan = planned(desk, name, domain)

    def served(txn: Txn) -> None:
        if domains.get_domain(txn) is None:
            raise NoSuchDomain(f"domain {plan.domain} is not served here; see: xtramail domain list")

    def put(txn: Txn) -> None:
        if domains.get_domain(txn) is not None or aliases.get_alias_of(txn) is not None:
            raise AlreadyExists(f"domain {plan.name} exists already; see: xtramail domain-alias list")
        aliases.put_alias_of(txn, AliasOfRow(domain=plan.domain, created=plan.created))

    await desk.change(
        Change("domain-alias add", plan.name, plan.domain, after={"domain": plan.domain}),
        [
            (keys.domain_scope(plan.domain), served),
            (keys.domain_scope(plan.name), put),
            (keys.DOMAIN_CHANGES, domains.settings_changed),
        ],
    )
    return plan


async def remove_domain_alias(desk: Desk, name: str) -> DomainAlias:
    """Take mail for ``name`` no more. NoSuchDomain."""
    key = domain_key(name)
    found = next((one for one in all_domain_aliases(desk) if one.name == key), None)
    if found is None:
        raise NoSuchDomain(f"domain {name} is no other name of a domain here; see: xtramail domain-alias list")

    def take(txn: Txn) -> None:
        if not aliases.delete_alias_of(txn):
            raise NoSuchDomain(f"domain {name} is no other name of a domain here; see: xtramail domain-alias list")
        dkim.forget_dkim(txn)

    await desk.change(
        Change("domain-alias remove", found.name, found.domain, before={"domain": found.domain}),
        [(keys.domain_scope(key), take), (keys.DOMAIN_CHANGES, domains.settings_changed)],
    )
    return found


def all_domain_aliases(desk: Desk) -> list[DomainAlias]:
    """Of every domain that the actor may see, by name."""
    desk.require(Role.DOMAIN, "the list of domain aliases")
    seen = {row.name for row in desk.domains()}
    return [
        DomainAlias(name=name, domain=row.domain, created=row.created)
        for name, row in aliases.alias_domains(desk.engine)
        if row.domain in seen
    ]


def domain_aliases_of(desk: Desk, domain: str) -> list[DomainAlias]:
    """The other names of one domain. NoSuchDomain."""
    row = desk.domain(domain)
    return [one for one in all_domain_aliases(desk) if one.domain == row.name]
