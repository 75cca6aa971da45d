"""Domains that are only other names of one that is served."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from xtramail.directory.state.kind import Kind, Row, Says, Work, World, same
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.actor import Role
from xtramail.model.address import domain_key
from xtramail.store import aliases, domains, keys
from xtramail.store.aliases import AliasOfRow
from xtramail.store.engine import Txn


class DomainAliasState(Row, frozen=True):
    name: str
    domain: str = ""
    created: str = ""


class DomainAliases(Kind[DomainAliasState]):
    name = "domain-aliases"
    doc = "domains that are only other names of one that is served"
    row = DomainAliasState
    keys = ("name",)
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[DomainAliasState]:
        served = {domain.name for domain in world.domains}
        for name, row in aliases.alias_domains(world.desk.engine):
            if row.domain in served:
                yield DomainAliasState(name=name, domain=row.domain, created=moment_text(row.created))

    def key(self, row: DomainAliasState) -> str:
        return domain_key(row.name)

    def domain(self, row: DomainAliasState) -> str:
        return domain_key(row.domain)

    def regular(self, row: DomainAliasState, says: Says) -> DomainAliasState:
        says.made("created", read_moment, row.created, 0.0)
        key = domain_key(row.name)
        if key.startswith("["):
            says.wrong("name", "a name, not an address of a machine")
        return replace(row, name=key, domain=says.made("domain", domain_key, row.domain, ""))

    def check(self, row: DomainAliasState, before: DomainAliasState | None, world: World, says: Says) -> None:
        if not world.serves(row.domain):
            says.wrong("domain", f"{row.domain or 'it'} is not served here; add it first, or to the file")
        if world.serves(row.name):
            says.wrong("name", f"{row.name} is served with users of its own; remove that domain first")

    def write(self, before: DomainAliasState | None, after: DomainAliasState | None, work: Work) -> None:
        key = (after or before or DomainAliasState(name="")).name

        def put(txn: Txn) -> None:
            if after is None:
                aliases.delete_alias_of(txn)
                return
            standing = aliases.get_alias_of(txn)
            if standing is None:
                same(domains.get_domain(txn), None)
            created = kept_moment(after.created, 0.0 if standing is None else standing.created) or work.now
            aliases.put_alias_of(txn, AliasOfRow(domain=after.domain, created=created))

        work.part(keys.domain_scope(key), put)
        work.part(keys.DOMAIN_CHANGES, domains.settings_changed)
