"""The log of changes, for who may look: listed, and its chain of seals checked.

Rows are written by ``desk`` with each change. Owns neither them nor the seals: those are ``store.audit``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from msgspec.structs import replace

from xtramail.directory.desk import Change, Desk
from xtramail.directory.users import account_of
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store import audit, keys
from xtramail.store.audit import read_noted as read_noted
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import AuditRow

_Told = dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with its number."""

    number: int
    row: AuditRow


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of the chain: ``rows`` there are, ``number`` and ``seal`` are the newest's."""

    rows: int
    number: int
    seal: bytes
    broken: int
    """Number of the first row that is not as it was sealed, or that is missing; 0: none."""
    fault: str
    """What is wrong, and what to do; empty: nothing."""


def audit_rows(
    desk: Desk, *, since: float = 0.0, actor: str = "", domain: str = "", object: str = "", most: int
) -> list[Entry]:
    """The newest first, at most ``most``: those of one actor, domain or object, or all that the desk's may see.

    Operators see all, tenant admins what is their tenant's, domain admins what is their domains', users themselves
    since they are there. Another tenant that had a domain before, or has it now, is not named to them.
    NoSuchDomain; ``domain`` and ``object`` in any spelling.
    """
    name = desk.domain(domain).name if domain else ""
    wanted = _key(object)
    visible = {row.name for row in desk.domains()}
    user = account_of(desk.engine, desk.actor.address) if desk.actor.role is Role.USER else None

    def seen(row: AuditRow) -> bool:
        match desk.actor.role:
            case Role.OPERATOR:
                return True
            case Role.TENANT:
                return bool(row.tenant) and row.tenant == desk.actor.tenant
            case Role.DOMAIN:
                # What was written of a domain before it was their tenant's is not theirs to see.
                return row.domain in visible and row.tenant == desk.actor.tenant
            case Role.USER:
                # Not what was written of somebody who had the address before.
                return user is not None and row.object == desk.actor.address and row.at >= user.created

    def chosen(row: AuditRow) -> bool:
        asked = actor in ("", row.actor) and name in ("", row.domain) and wanted in ("", row.object.casefold())
        return asked and seen(row)

    def look(snap: Snapshot) -> list[Entry]:
        rows = (Entry(number, _shown(desk, row)) for number, row in audit.newest(snap, since) if chosen(row))
        return list(islice(rows, most))

    return desk.engine.read(keys.AUDIT, look)


def verify_audit(desk: Desk, *, noted: tuple[int, bytes] | None = None) -> Checked:
    """Walk the chain from the first row. For operators.

    ``noted``: number and seal of a row as the server's log or an earlier look had them: who rewrote all the rows from
    some point on could make a whole chain of them, but not one with that seal in it.
    """
    desk.require(Role.OPERATOR, "audit verify")
    return desk.engine.read(keys.AUDIT, lambda snap: _walk(snap, noted))


def head_fault(engine: Engine, noted: tuple[int, bytes]) -> str:
    """What is wrong with the log's end, when it once ended as ``noted``; empty: nothing. Reads two rows."""
    return engine.read(keys.AUDIT, lambda snap: audit.head_fault(snap, noted))


async def accept_head(desk: Desk, noted: tuple[int, bytes] | None) -> str:
    """Go on from how the log ends now, though it once ended as ``noted`` (None: nobody can read how); that is a row of
    it. What was wrong; empty, and no row, where nothing is. For operators."""
    desk.require(Role.OPERATOR, "audit accept")
    desk.require_change("audit accept")
    fault = "how it ended before cannot be read" if noted is None else head_fault(desk.engine, noted)
    if fault:
        told = {"accepted": fault, "noted": f"{noted[0]}:{noted[1].hex()}" if noted is not None else ""}
        await desk.change(Change("audit accept", "log of changes", after=told), [])
    return fault


def head(engine: Engine) -> tuple[int, bytes]:
    """Number and seal of the newest row; see ``store.audit.head``."""
    return engine.read(keys.AUDIT, audit.head)


def _walk(snap: Snapshot, noted: tuple[int, bytes] | None) -> Checked:
    last, seal, rows = 0, b"", 0
    broken, fault = 0, ""
    for number, sealed, value in audit.oldest(snap):
        rows += 1
        if not broken and number != last + 1:
            broken, fault = last + 1, f"row {last + 1} is missing"
        elif not broken and audit.seal_of(seal, number, value) != sealed:
            broken, fault = number, f"row {number} is not as it was written, or one before it was taken out"
        if not broken and noted is not None and number == noted[0] and sealed != noted[1]:
            broken, fault = number, audit.head_fault(snap, noted)
        last, seal = number, sealed
    newest, kept = audit.head(snap)
    if not broken and (newest, kept) != (last, seal):
        broken, fault = min(newest, last) + 1, f"the newest row is to be {newest}, and there are rows up to {last}"
    if not broken and noted is not None and noted[0] > last:
        broken, fault = last + 1, audit.head_fault(snap, noted)
    return Checked(rows=rows, number=newest, seal=kept, broken=broken, fault=fault)


def _shown(desk: Desk, row: AuditRow) -> AuditRow:
    """As the desk's actor may see it."""
    if desk.actor.role is Role.OPERATOR:
        return row
    return replace(row, before=_without_others(desk, row.before), after=_without_others(desk, row.after))


def _without_others(desk: Desk, told: _Told | None) -> _Told | None:
    if told is None or told.get("tenant") in (None, "", desk.actor.tenant):
        return told
    return {**told, "tenant": "another"}


def _key(text: str) -> str:
    try:
        return Address.parse(text).key
    except BadInput:
        return text.casefold()
