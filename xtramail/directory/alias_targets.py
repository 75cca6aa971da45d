"""Which aliases lead to an address or a domain, asked before it is taken away, so that no mail is lost by it; and
whether a domain's lead into the world."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xtramail.directory.desk import Desk
from xtramail.model.address import Address
from xtramail.model.errors import BadInput, NotPermitted
from xtramail.store import keys
from xtramail.store.aliases import alias_domains, aliases, served_as
from xtramail.store.engine import Engine

NAMED = 5
"""So many are named when something is refused for them."""


def refuse_while_target(desk: Desk, address: Address, *, what: str = "user") -> None:
    """NotPermitted while other aliases that the actor may see lead to ``address``."""
    names = {name for name, row in alias_domains(desk.engine) if row.domain == address.domain_key}
    names.add(address.domain_key)
    found = _leading(desk, lambda one: one.local_key == address.local_key and one.domain_key in names)
    _refuse(f"{what} {address.key}", [source for source in found if source != address.key])


def refuse_while_leading(desk: Desk, domain: str) -> None:
    """The same of a domain (key), and while another domain is only another name of it."""
    others = [name for name, row in alias_domains(desk.engine) if row.domain == domain]
    if others:
        raise NotPermitted(
            f"domain {domain}: {', '.join(others[:NAMED])} is another name of it; "
            f"first: xtramail domain-alias remove {others[0]}"
        )
    found = _leading(desk, lambda one: one.domain_key == domain)
    _refuse(f"domain {domain}", [source for source in found if source.rpartition("@")[2] != domain])


def leads_outside(engine: Engine, domain: str) -> bool:
    """Whether an alias of a domain (key) has a target in the world."""
    rows = engine.read(keys.domain_scope(domain), aliases)
    names = {target.domain_key for row in rows for target in _parsed(row.targets)}
    return any(served_as(engine, name) is None for name in names)


def _refuse(what: str, sources: list[str]) -> None:
    if not sources:
        return
    more = f" and {len(sources) - NAMED} more" if len(sources) > NAMED else ""
    raise NotPermitted(
        f"{what}: {', '.join(sources[:NAMED])}{more} leads there; first take it off: "
        f"xtramail alias remove {sources[0]} TARGET"
    )


def _leading(desk: Desk, wanted: Callable[[Address], bool]) -> list[str]:
    """Keys of the aliases, of domains that the actor may see, with such a target."""
    return [source for source, targets in _all(desk) if any(wanted(target) for target in targets)]


def _all(desk: Desk) -> Iterator[tuple[str, list[Address]]]:
    for domain in desk.domains():
        for row in desk.engine.read(keys.domain_scope(domain.name), aliases):
            yield Address(local=row.local, domain=domain.name).key, list(_parsed(row.targets))


def _parsed(targets: tuple[str, ...]) -> Iterator[Address]:
    for text in targets:
        try:
            yield Address.parse(text)
        except BadInput:
            continue
