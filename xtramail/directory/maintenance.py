"""Planned times in which a domain's mail is kept from its primary. The watch holds and releases when they come."""

from __future__ import annotations

from functools import partial

from xtramail.directory.desk import Change, Desk, Told
from xtramail.model.clock import utc_text
from xtramail.model.errors import BadInput
from xtramail.store import keys, outages
from xtramail.store.engine import Txn
from xtramail.store.outages import Window

LONGEST = 13 * 86_400.0
"""Seconds: mail is given up after 14 days, and its primary wants some time to take it."""


async def plan_window(desk: Desk, name: str, *, start: float, end: float, reason: str = "") -> Window:
    """``start`` and ``end``: seconds since 1970. NoSuchDomain; BadInput names the field and its rule."""
    domain = desk.domain(name)
    if not domain.primaries:
        raise BadInput(f"domain {domain.name} is local: there is no primary to keep mail from")
    if end <= start or end <= desk.now():
        raise BadInput(f"to {utc_text(end)}: must be after --from and in the future")
    if end - start > LONGEST:
        raise BadInput(f"to {utc_text(end)}: at most 13 days after --from, for mail is given up after 14")
    told = Change("maintenance add", domain.name, domain.name)

    def put(txn: Txn) -> Window:
        number = max((one.id for one in outages.windows(txn)), default=0) + 1
        row = Window(id=number, start=start, end=end, reason=reason)
        outages.put_window(txn, row)
        told.after = _told(row)
        return row

    row: Window = (await desk.change(told, [(keys.domain_scope(domain.name), put)]))[0]
    return row


def windows_of(desk: Desk, name: str) -> list[Window]:
    """In the order in which they were planned. NoSuchDomain."""
    return desk.engine.read(keys.domain_scope(desk.domain(name).name), outages.windows)


async def take_back(desk: Desk, name: str, window_id: int) -> Window:
    """One that runs ends within seconds. NoSuchDomain; BadInput where there is none of that id."""
    domain = desk.domain(name)
    found = next((one for one in windows_of(desk, name) if one.id == window_id), None)
    if found is None:
        raise BadInput(f"id {window_id}: no such window of {domain.name}; see: xtramail maintenance list {domain.name}")
    told = Change("maintenance remove", domain.name, domain.name, before=_told(found))
    await desk.change(
        told, [(keys.domain_scope(domain.name), partial(outages.delete_window, window_id=window_id))]
    )
    return found


def _told(row: Window) -> Told:
    return {"window": row.id, "from": utc_text(row.start), "to": utc_text(row.end), "reason": row.reason}
