"""Does what was planned: all of it in one transaction, with its rows in the audit log, or nothing.

Owns the transaction; its parts are the kinds'. Only numbers that were set aside for new users are lost where it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

from xtramail.directory.desk import Change
from xtramail.directory.keyring import Keyring
from xtramail.directory.open_mail import OpenMail
from xtramail.directory.state.kind import Kind, Progress, Row, Work, World, fields_of, stale
from xtramail.directory.state.plan import Plan, Step
from xtramail.directory.users import users_of
from xtramail.model.actor import SERVER
from xtramail.model.errors import NoSuchAccount, Unavailable
from xtramail.store import audit, domains, keys, schema
from xtramail.store.engine import Snapshot, Txn, TxnFunction

_EVERY = 100
_TOLD = 200
"""Characters of one value."""


@dataclass(slots=True)
class _Parts(Work):
    world: World
    new_ids: Mapping[str, int]
    """By address key."""
    parts: list[tuple[bytes, TxnFunction[Any]]] = field(default_factory=list)
    last: list[tuple[bytes, TxnFunction[Any]]] = field(default_factory=list)
    afterwards: list[tuple[bytes, TxnFunction[Any]]] = field(default_factory=list)
    leaving: list[tuple[str, str]] = field(default_factory=list)
    """Domains and addresses that must have no open mail."""

    @property
    def now(self) -> float:
        return self.world.desk.now()

    @property
    def keyring(self) -> Keyring:
        return self.world.keyring

    @property
    def retention_days(self) -> int:
        return self.world.retention_days

    def part(self, scope: bytes, function: TxnFunction[Any]) -> None:
        self.parts.append((scope, function))

    def at_end(self, scope: bytes, function: TxnFunction[Any]) -> None:
        self.last.append((scope, function))

    def later(self, scope: bytes, function: TxnFunction[Any]) -> None:
        self.afterwards.append((scope, function))

    def refuse_while_open(self, domain: str, address_key: str = "") -> None:
        self.leaving.append((domain, address_key))

    def refuse_open(self, snap: Snapshot) -> None:
        """For the transaction (scope QUEUE)."""
        if not self.leaving:
            return
        open_mail = OpenMail(snap)
        for domain, address_key in self.leaving:
            open_mail.refuse(domain, address_key)

    def accounts_in(self, domain: str) -> list[int]:
        return [account.id for account in users_of(self.world.desk.engine, domain)]

    def account_id(self, address_key: str) -> int:
        if address_key in self.new_ids:
            return self.new_ids[address_key]
        local, _, name = address_key.rpartition("@")
        scope = keys.domain_scope(name)
        row = self.world.desk.engine.read(scope, lambda snap: domains.get_recipient(snap, local))
        if row is None or row.account_id == 0:
            raise NoSuchAccount(f"user {address_key} is not there any more; nothing was done, run it again")
        return row.account_id


async def apply_plan(plan: Plan, *, progress: Progress) -> None:
    """Durable when this returns. StoreBusy where an object changed since it was planned: nothing was done."""
    desk = plan.world.desk
    if plan.empty:
        return
    desk.require_change("apply")
    added = [step.key for step in plan.steps if step.kind.name == "users" and step.before is None]
    ids: dict[str, int] = {}
    if added:
        first = await desk.engine.transact(keys.STORE, lambda txn: schema.next_account_id(txn, len(added)))
        ids = {key: first + number for number, key in enumerate(added)}
    work = _Parts(plan.world, ids)
    work.part(keys.AUDIT, partial(_refuse_changed, plan))
    work.part(keys.QUEUE, work.refuse_open)
    changes = []
    for number, step in enumerate(plan.steps, 1):
        step.kind.write(step.before, step.after, work)
        if number % _EVERY == 0 or number == len(plan.steps):
            work.part(keys.AUDIT, _tell(progress, number, len(plan.steps)))
        changes.append(_change(step, plan.world))
    await desk.change_all(changes, [*work.parts, *work.last])
    try:
        for start in range(0, len(work.afterwards), _EVERY):
            await desk.engine.transact_all(work.afterwards[start : start + _EVERY])
            progress("prepared", min(start + _EVERY, len(work.afterwards)), len(work.afterwards))
    except Unavailable:
        # All that was asked for is durable.
        return


def _refuse_changed(plan: Plan, txn: Txn) -> None:
    """StoreBusy where somebody else has changed something of the same domains since the plan was made: it may have been
    what the plan was made by. What the server does by itself is seen by the parts."""
    touched = {step.kind.domain(step.after if step.after is not None else step.before) for step in plan.steps}
    for number, row in audit.newest(txn):
        if number <= plan.world.seen:
            return
        if row.how != SERVER.how and row.domain in touched:
            raise stale()


def _tell(progress: Progress, done: int, total: int) -> TxnFunction[None]:
    def tell(_txn: Txn) -> None:
        progress("written", done, total)

    return tell


def _change(step: Step, world: World) -> Change:
    row = step.after if step.after is not None else step.before
    name = step.kind.domain(row)
    # The desk knows whose a domain is that stands; one that is added is known here alone.
    added = world.after("domains").get(name) if name not in world.standing("domains") else None
    return Change(
        what=f"apply: {step.verb} {step.kind.name}",
        object=step.key,
        domain=name,
        tenant=step.kind.tenant(row) if added is None else added.tenant,
        before=told(step.kind, step.before),
        after=told(step.kind, step.after, step.before),
    )


def told(kind: Kind[Any], row: Row | None, before: Row | None = None) -> dict[str, str | int | bool | None] | None:
    """What an audit row says of an object: plain values, and of a secret that there is one."""
    if row is None:
        return None
    said: dict[str, str | int | bool | None] = {}
    for one in fields_of(kind.row):
        value = getattr(row, one.name)
        secret = one.name in kind.secrets or one.name in kind.input_only
        old = getattr(before, one.name) if before is not None else value
        if secret:
            if value or old:
                said[one.encode_name] = "changed" if value != old else "set"
        elif isinstance(value, dict):
            said.update((name, _short(text)) for name, text in value.items())
        elif isinstance(value, tuple):
            said[one.encode_name] = _short(" ".join(value))
        else:
            said[one.encode_name] = _short(value) if isinstance(value, str) else value
    return said


def _short(text: str) -> str:
    """As much as a row of the log has room for; another text is another one still."""
    if len(text) <= _TOLD:
        return text
    mark = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{text[:_TOLD]}... ({len(text)} characters, {mark})"
