"""Who may export and change what: the directory as it is seen from a desk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from xtramail.directory.desk import Desk
from xtramail.directory.keyring import Keyring
from xtramail.directory.state.catalogue import BY_NAME, KINDS
from xtramail.directory.state.kind import Hop, Kind, World, any_hops
from xtramail.model.actor import Role
from xtramail.model.errors import BadInput
from xtramail.store import audit, keys


def export_world(desk: Desk, keyring: Keyring, *, domain: str = "", secrets: bool = False) -> World:
    """To export what the actor may see, or one domain. Secrets are for operators. NoSuchDomain, NotPermitted."""
    if secrets:
        desk.require(Role.OPERATOR, "export with secrets")
    desk.require(Role.DOMAIN, "export")
    rows = [desk.domain(domain)] if domain else desk.domains()
    return World(desk=desk, keyring=keyring, kinds=BY_NAME, domains=rows, only=rows[0].name if domain else "")


def plan_world(
    desk: Desk,
    keyring: Keyring,
    *,
    only: str = "",
    retention_days: int = 30,
    refuse_hops: Callable[[Iterable[Hop]], None] = any_hops,
) -> World:
    """To plan changes of what the actor may see; ``only``: of nothing but this domain. NotPermitted."""
    desk.require(Role.DOMAIN, "apply")
    desk.require_change("apply")
    seen = desk.engine.read(keys.AUDIT, audit.head)[0]
    return World(
        desk=desk,
        keyring=keyring,
        kinds=BY_NAME,
        domains=desk.domains(),
        seen=seen,
        only=only,
        retention_days=retention_days,
        refuse_hops=refuse_hops,
    )


def kinds_of(world: World) -> list[Kind[Any]]:
    """Those that an export of this world has, in their order."""
    all_of_it = not world.only and world.desk.actor.role is Role.OPERATOR
    return [kind for kind in KINDS if kind.of_domains or all_of_it]


def kind_named(name: str) -> Kind[Any]:
    """BadInput for one that there is not."""
    if name not in BY_NAME:
        raise BadInput(f"kind {name!r}: choose one of {', '.join(BY_NAME)}")
    return BY_NAME[name]
