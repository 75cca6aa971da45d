"""Mail that waits to be handed on, as people look at it and let it go: what is for their domains, or from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from xtramail.delivery.story import let_go as event_of
from xtramail.directory.desk import Change, Desk
from xtramail.directory.places import destinations_of
from xtramail.directory.places import domain_of as domain_behind
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_LOG, bucket_at
from xtramail.model.errors import BadInput, NoSuchMessage
from xtramail.model.ids import id_from_text, id_text
from xtramail.store import keys, outbound, tracking
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import QueueEntry

STEP = 500
"""Entries let go in one commit."""
NAMED = 20
"""Of them named in a row of the log of changes."""
Go = Callable[[Txn, int, float], QueueEntry | None]


def waiting(desk: Desk, destination: str | None = None, *, limit: int = 0) -> list[QueueEntry]:
    """What waits, for one destination (a domain key, with its addresses that live apart) or all, at most ``limit`` (0:
    all). For admins."""
    desk.require(Role.DOMAIN, "mail that waits")
    if desk.actor.role is Role.OPERATOR:
        return desk.engine.read(keys.QUEUE, lambda snap: _entries(snap, destination, limit))
    names = {row.name for row in desk.domains()}
    found = desk.engine.read(keys.QUEUE, lambda snap: _entries(snap, destination))
    mine = [entry for entry in found if domain_of(entry) in names]
    return mine[:limit] if limit else mine


def _entries(snap: Snapshot, domain: str | None, limit: int = 0) -> list[QueueEntry]:
    if domain is None:
        return outbound.entries(snap, None, limit)
    found: list[QueueEntry] = []
    for destination in destinations_of(snap, domain):
        if not limit or len(found) < limit:
            found.extend(outbound.entries(snap, destination, limit - len(found) if limit else 0))
    return found


def find_waiting(desk: Desk, text: str) -> list[QueueEntry]:
    """Entries of that queue id or message id. BadInput; NoSuchMessage where none waits that the actor may see."""
    desk.require(Role.DOMAIN, "mail that waits")
    try:
        number = id_from_text(text)
    except ValueError as error:
        raise BadInput(f"id {text!r}: {error}; see: xtramail queue list") from None
    names = {row.name for row in desk.domains()}
    one = desk.engine.read(keys.QUEUE, lambda snap: outbound.entry(snap, number))
    found = [one] if one is not None else [e for e in waiting(desk) if e.message_id == number]
    mine = [entry for entry in found if desk.actor.role is Role.OPERATOR or domain_of(entry) in names]
    if not mine:
        raise NoSuchMessage(f"{text} does not wait in the queue; see what became of it: xtramail trace ADDRESS")
    return mine


async def let_go(desk: Desk, entries: Sequence[QueueEntry], go: Go, what: str) -> None:
    """Let ``go`` free each of them, some hundreds in a commit; who did it is in the log, message by message."""
    for start in range(0, len(entries), STEP):
        step = _LetGo(entries[start : start + STEP], go, desk, what)
        await desk.change_all(step.changes, [(keys.QUEUE, step.free), (keys.LOG, step.tell)])


async def note(desk: Desk, entries: Iterable[QueueEntry], what: str, reason: str) -> None:
    """Write down that they are given up, before it is done: each is a commit of its own, and may be the last."""
    changes = _changes(what, entries)
    for change in changes:
        change.after = {**(change.after or {}), "reason": reason}
    await desk.change_all(changes, [])


def domain_of(entry: QueueEntry) -> str:
    """Whose admins may see it: of the domain that it is for, else of the one whose user sends it. Empty: nobody's."""
    if entry.for_primary:
        return domain_behind(entry.destination)
    try:
        return Address.parse(entry.reverse_path).domain_key if entry.reverse_path else ""
    except BadInput:
        return ""


def _changes(what: str, entries: Iterable[QueueEntry]) -> list[Change]:
    by_domain: dict[str, list[int]] = {}
    for entry in entries:
        by_domain.setdefault(domain_of(entry), []).append(entry.id)
    return [
        Change(what, name, name, after={"messages": len(ids), "ids": ",".join(map(id_text, ids[:NAMED]))})
        for name, ids in by_domain.items()
    ]


class _LetGo:
    """One commit of it; its parts may run again."""

    def __init__(self, entries: Sequence[QueueEntry], go: Go, desk: Desk, what: str) -> None:
        self.changes = _changes(what, entries)
        self._numbers = [entry.id for entry in entries]
        self._go = go
        self._who = desk.actor.name
        self._now = desk.now()
        self._gone: list[QueueEntry] = []

    def free(self, txn: Txn) -> None:
        freed = [self._go(txn, number, self._now) for number in self._numbers]
        self._gone = [entry for entry in freed if entry is not None]

    def tell(self, txn: Txn) -> None:
        for entry in self._gone:
            event = event_of(entry, by=self._who, now=self._now)
            tracking.record(txn, bucket_at(self._now, CLASS_LOG), event)
