"""Aliases, and of a domain (``@domain``) its catch-all."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from xtramail.directory.alias_chains import AliasChains
from xtramail.directory.aliases import MOST_LOCAL, MOST_TARGETS, read_source
from xtramail.directory.resolution import PLUS, ROLE_LOCALS
from xtramail.directory.state.kind import Kind, Row, Says, Work, World
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store import aliases, keys
from xtramail.store.aliases import AliasRow
from xtramail.store.engine import Txn


class AliasState(Row, frozen=True):
    address: str
    targets: tuple[str, ...] = ()
    created: str = ""


class Aliases(Kind[AliasState]):
    name = "aliases"
    doc = "addresses that stand for others, and catch-alls"
    row = AliasState
    keys = ("address",)

    def read(self, world: World) -> Iterator[AliasState]:
        for domain in world.domains:
            for row in world.desk.engine.read(keys.domain_scope(domain.name), aliases.aliases):
                shown = str(Address(local=row.local, domain=domain.name)) if row.local else f"@{domain.name}"
                yield AliasState(address=shown, targets=row.targets, created=moment_text(row.created))

    def key(self, row: AliasState) -> str:
        _, key, name = read_source(row.address)
        return f"{key}@{name}"

    def domain(self, row: AliasState) -> str:
        return read_source(row.address)[2]

    def regular(self, row: AliasState, says: Says) -> AliasState:
        says.made("created", read_moment, row.created, 0.0)
        targets = tuple(dict.fromkeys(says.made("targets", _target, one, one) for one in row.targets))
        if not 1 <= len(targets) <= MOST_TARGETS:
            says.wrong("targets", f"1 to {MOST_TARGETS} addresses")
        return replace(row, targets=targets)

    def check(self, row: AliasState, before: AliasState | None, world: World, says: Says) -> None:
        key, name = self.key(row), self.domain(row)
        if not world.serves(name):
            says.wrong("address", f"domain {name} is not served here; add it first, or to the file")
            return
        lost = [one for one in row.targets if leads_nowhere(world, one, key)]
        if lost:
            says.wrong("targets", f"{', '.join(lost[:5])}: no such user or alias; add it first, or to the file")
        chains: AliasChains = world.once("alias chains", lambda: _chains(world))
        try:
            chains.put(key, row.targets)
        except BadInput as error:
            says.wrong("targets", error.text)

    def check_removal(self, row: AliasState, world: World, says: Says) -> None:
        key = self.key(row)
        if key not in world.after("users"):
            refuse_while_leading(world, key, says)

    def write(self, before: AliasState | None, after: AliasState | None, work: Work) -> None:
        local, key, name = read_source((after or before or AliasState(address="")).address)

        def put(txn: Txn) -> None:
            if after is None:
                aliases.delete_alias(txn, key)
                return
            standing = aliases.get_alias(txn, key)
            created = kept_moment(after.created, 0.0 if standing is None else standing.created) or work.now
            aliases.put_alias(txn, key, AliasRow(local=local, targets=after.targets, created=created))

        work.part(keys.domain_scope(name), put)


def leads_nowhere(world: World, target: str, alias: str) -> bool:
    """Whether an address of a domain of ours is nobody's, as far as the directory can say."""
    address = _canonical(world, target)
    local, _, name = address.rpartition("@")
    domain = world.after("domains").get(name)
    if domain is None:
        return False
    if address == alias:
        return address not in world.after("users")
    base = local.partition("+")[0] if "+" in local[1:] and domain.settings.get(PLUS, "on") == "on" else local
    if domain.recipients in ("ask", "any") or local in ROLE_LOCALS:
        return False
    tables = [world.after(kind) for kind in ("users", "aliases", "places")]
    return not any(f"{one}@{name}" in table for one in (local, base, "") for table in tables)


def refuse_while_leading(world: World, key: str, says: Says) -> None:
    """Says which aliases lead to the address of this key, or, where it has no ``@``, to a domain."""
    sources = world.once("alias sources", lambda: _sources(world))
    found = [one for one in sources.get(key, ()) if one != key and (("@" in key) or one.rpartition("@")[2] != key)]
    if found:
        says.wrong("", f"{', '.join(found[:5])} leads there; take it off first, or name another target")


def _sources(world: World) -> dict[str, list[str]]:
    """Keys of aliases by that of each target, and by its domain."""
    found: dict[str, list[str]] = {}
    for key, row in world.after("aliases").items():
        for address in {_canonical(world, one) for one in row.targets}:
            for name in (address, address.rpartition("@")[2]):
                found.setdefault(name, []).append(key)
    return found


def _chains(world: World) -> AliasChains:
    """All that stays as it is; those of the file are put to it one by one, so that each is told by its line."""
    standing, after = world.standing("aliases"), world.after("aliases")
    users = world.after("users")
    return AliasChains(
        plus={name: row.settings.get(PLUS, "on") == "on" for name, row in world.after("domains").items()},
        names={name: row.domain for name, row in world.after("domain-aliases").items()},
        is_user=lambda key: key in users,
        rows=[(key, row.targets) for key, row in after.items() if standing.get(key) == row],
    )


def _canonical(world: World, text: str) -> str:
    """The key of an address, in its domain's own name."""
    address = Address.parse(text)
    other = world.after("domain-aliases").get(address.domain_key)
    return f"{address.local_key}@{address.domain_key if other is None else other.domain}"


def _target(text: str) -> str:
    address = Address.parse(text)
    if address.domain_key.startswith("["):
        raise BadInput(f"{text}: name its domain, not an address of a machine")
    if len(address.local.encode()) > MOST_LOCAL or any(mark in address.local for mark in "%!@"):
        raise BadInput(f"{text}: the part before @ has at most {MOST_LOCAL} octets, and none of % ! @")
    return str(address)
