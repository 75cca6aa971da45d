"""Holds of domains by people: the queue to a primary is kept closed, and opened again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from xtramail.directory.desk import Change, Desk, Told
from xtramail.directory.primaries import step_parts
from xtramail.model.errors import BadInput
from xtramail.model.primary import Event
from xtramail.store import keys, outages
from xtramail.store.engine import Snapshot, TxnFunction
from xtramail.store.records import DomainRow


async def hold_domain(desk: Desk, name: str, *, reason: str) -> DomainRow:
    """Keep the queue of a domain closed; mail goes on arriving and being read. BadInput for one without a primary."""
    row = desk.domain(name)
    if not row.primaries:
        raise BadInput(f"domain {row.name} is local: there is no primary to keep mail from")
    cause, by = reason or "held by the admin", desk.actor.name
    parts = step_parts(row.name, Event.HOLD, cause=cause, now=desk.now(), by=by, held_by="admin")
    await _step(desk, "domain hold", row.name, parts)
    return row


async def release_domain(desk: Desk, name: str) -> DomainRow:
    """Open the queue of a held domain, by whatever it is held: what waits is given back, the oldest first.

    Windows of maintenance that run now are taken back, for they would close it again.
    """
    row, now = desk.domain(name), desk.now()
    parts = step_parts(row.name, Event.RELEASE, cause="released", now=now, by=desk.actor.name)
    end_windows = (keys.domain_scope(row.name), partial(outages.end_windows, now=now))
    await _step(desk, "domain release", row.name, [end_windows, *parts])
    return row


async def _step(desk: Desk, what: str, name: str, parts: Sequence[tuple[bytes, TxnFunction[Any]]]) -> None:
    told, scope = Change(what, name, name), keys.domain_scope(name)

    def standing(snap: Snapshot) -> Told:
        row = outages.primary(snap)
        return {"state": row.state, "held-by": row.held_by, "cause": row.cause, "windows": len(outages.windows(snap))}

    def look(snap: Snapshot) -> None:
        told.before = standing(snap)

    def look_again(snap: Snapshot) -> None:
        told.after = standing(snap)

    await desk.change(told, [(scope, look), *parts, (scope, look_again)])
