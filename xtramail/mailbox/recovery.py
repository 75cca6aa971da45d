"""What an administrator does with what a user deleted: put it back to where it came from, or destroy it for privacy.

Owns the choice of messages and the order of work: short transactions, each of them whole, so that a run that is cut off
is finished by the next. Rows are ``store/recovered``'s.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_at
from xtramail.model.clock import EPOCH_SECONDS
from xtramail.model.errors import NotPermitted, OverQuota, Refused
from xtramail.store import accounts, bodies, keys, mailboxes, outbound, recovered, tracking
from xtramail.store.copies import places_of
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.mail_rows import size_of
from xtramail.store.mailbox_names import INBOX, canonical
from xtramail.store.message_row import MessageRow
from xtramail.store.records import LogEvent, MailboxRow, Recoverable
from xtramail.store.search_texts import remove_owner

STEP = 200
"""Messages put back in one transaction: some 400 KB of rows."""
PURGE_STEP = 100
PURGE_OCTETS = 8 << 20
"""Messages, and octets of bodies, destroyed in one transaction."""
_QUEUE_STEP = 500
_SKEW = 300.0
"""Seconds by which clocks that gave ids to queue entries may have been apart."""

Progress = Callable[[int, int], None]
"""Told how many messages are done, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A message that can be had back."""

    uid: int
    """In Recovered."""
    bucket: Bucket
    origin: Recoverable
    mailbox: str
    """Where it goes back to: the mailbox it was in, as it is called now, or was when the message went."""
    exists: bool
    """Whether there is a mailbox of that name."""
    size: int


@dataclass(slots=True)
class PutBack:
    """How many messages went into which mailbox, and which of them had to be made."""

    mailboxes: Counter[str] = field(default_factory=Counter)
    made: list[str] = field(default_factory=list)
    left: int = 0
    """Messages for which the quota has no room; they can still be had."""

    @property
    def messages(self) -> int:
        return self.mailboxes.total()


@dataclass(slots=True)
class Purged:
    """How many messages were destroyed, and how many bodies, which is done where no other copy can be left."""

    messages: int = 0
    bodies: int = 0
    waiting: list[int] = field(default_factory=list)
    """Ids of messages left as they are: they still wait to be handed on."""


def deleted(engine: Engine, account_id: int, *, since: float = 0.0, mailbox: str = "") -> list[Deleted]:
    """What a user deleted at ``since`` (seconds since 1970) or later, from ``mailbox`` (empty: any), oldest first."""
    wanted = canonical(mailbox)

    def look(snap: Snapshot) -> list[Deleted]:
        names = {row.id: row.name for row in mailboxes.mailboxes(snap)}
        existing = frozenset(names.values())
        found = []
        for bucket, uid, origin in recovered.recoverables(snap):
            name = names.get(origin.mailbox, origin.mailbox_name) or INBOX
            if origin.expunged_at < since or (wanted and name != wanted):
                continue
            size = size_of(snap, keys.RECOVERED, bucket, uid)
            found.append(
                Deleted(uid=uid, bucket=bucket, origin=origin, mailbox=name, exists=name in existing, size=size)
            )
        return found

    return engine.read(keys.user_scope(account_id), look)


async def put_back(
    engine: Engine, account_id: int, found: Sequence[Deleted], now: float, progress: Progress = lambda done, all: None
) -> PutBack:
    """Put the messages back. A mailbox that was deleted is made again by its name; where it cannot be, INBOX has them.

    What is back already, or has expired, is passed over. Stops where the quota is full (``left``).
    """
    result = PutBack()
    scope = keys.user_scope(account_id)
    # Mailbox by mailbox: a step writes rows that lie side by side.
    ordered = sorted(found, key=lambda one: (one.mailbox, one.origin.mailbox, one.uid))
    steps = deque(
        step
        for _, same in groupby(ordered, key=lambda one: (one.mailbox, one.origin.mailbox))
        for step in _steps(same, STEP)
    )
    done = 0
    while steps:
        step = steps.popleft()
        try:
            name, made, count = await engine.transact(scope, partial(_put_back, step=step, now=now))
        except OverQuota:
            if len(step) == 1:
                result.left = len(found) - done
                break
            half = len(step) // 2
            steps.extendleft((step[half:], step[:half]))
            continue
        result.mailboxes[name] += count
        if made:
            result.made.append(name)
        done += len(step)
        progress(done, len(found))
    return result


def _put_back(txn: Txn, step: Sequence[Deleted], now: float) -> tuple[str, bool, int]:
    """Messages of one mailbox: its name, whether it was made, and how many there were."""
    row = mailboxes.mailbox_by_id(txn, step[0].origin.mailbox) or mailboxes.mailbox_by_name(txn, step[0].mailbox)
    made = row is None
    if row is None:
        row = _made(txn, step[0].mailbox, now)
        made = row.name == step[0].mailbox
    return row.name, made, len(recovered.restore(txn, row.id, [one.uid for one in step], now))


def _made(txn: Txn, name: str, now: float) -> MailboxRow:
    try:
        return mailboxes.create(txn, name, now=now)
    except Refused:
        # No room for another mailbox: the mail is worth more than its place.
        mailboxes.ensure_special(txn, now)
        inbox = mailboxes.mailbox_by_name(txn, INBOX)
        assert inbox is not None
        return inbox


async def purge(
    engine: Engine, account_id: int, found: Sequence[Deleted], now: float, progress: Progress = lambda done, all: None
) -> Purged:
    """Destroy the messages: their rows, the account's share in their bodies, and the bodies that nobody else shares.

    A message that still waits to be handed on is left (``waiting``): its body is needed, and that the user deleted it
    is what will be asked.
    """
    result = Purged()
    queued = _queued(engine)
    since_id = max(int((now - _SKEW - EPOCH_SECONDS) * 1_000_000), 0) << 12
    done = 0
    for step in _steps(found, PURGE_STEP, PURGE_OCTETS):
        while True:
            work = _Purge(account_id, [one.uid for one in step], queued, since_id, now)
            try:
                await engine.transact_all(
                    [
                        (keys.QUEUE, work.look),
                        (keys.user_scope(account_id), work.rows),
                        (keys.BODY, work.bodies),
                        (keys.LOG, work.tell),
                    ]
                )
            except _NewInQueue as error:
                queued = queued | error.ids
                continue
            break
        result.messages += work.destroyed
        result.bodies += work.freed
        result.waiting.extend(work.waiting)
        done += len(step)
        progress(done, len(found))
    return result


class _NewInQueue(NotPermitted):
    """A message came into the queue meanwhile."""

    def __init__(self, ids: frozenset[int]) -> None:
        super().__init__()
        self.ids = ids


class _Purge:
    """One transaction of it, in four scopes; each part may run again, so each begins anew."""

    def __init__(
        self, account_id: int, uids: Sequence[int], queued: frozenset[int], since_id: int, now: float
    ) -> None:
        self._account_id = account_id
        self._uids = uids
        self._queued = queued
        self._since_id = since_id
        self._now = now
        self._gone: list[MessageRow] = []
        self._unused: list[MessageRow] = []
        self._address = ""
        self.destroyed = 0
        self.freed = 0
        self.waiting: list[int] = []

    def look(self, snap: Snapshot) -> None:
        """Scope QUEUE: what was put into it since :func:`_queued` looked."""
        fresh = {entry.body.id for entry in outbound.entries_after(snap, self._since_id, 0)}
        if not fresh <= self._queued:
            raise _NewInQueue(frozenset(fresh))

    def rows(self, txn: Txn) -> None:
        """The user's scope."""
        kept = recovered.recovered(txn)
        rows = recovered.rows_of(txn, kept, self._uids) if kept is not None else []
        waiting = {uid: row for uid, row in rows if row is not None and row.body.id in self._queued}
        gone = recovered.remove(txn, [uid for uid, _ in rows if uid not in waiting], self._now)
        account = accounts.get_account(txn)
        self._gone, self._address = gone, account.address if account is not None else ""
        self.waiting = [row.object_id for row in waiting.values()]
        self.destroyed = len(rows) - len(waiting)
        self._unused = [
            row for row in gone if not places_of(txn, row.body.bucket, row.object_id, row.message_id)
        ]

    def bodies(self, txn: Txn) -> None:
        """Scope BODY."""
        refs = {row.body for row in self._unused}
        self.freed = sum(remove_owner(txn, ref, self._account_id, bodies.chunk_count(ref)) for ref in refs)

    def tell(self, txn: Txn) -> None:
        """Scope LOG: that a person destroyed it is what is left of it."""
        bucket = bucket_at(self._now, CLASS_LOG)
        for row in self._gone:
            tracking.record(
                txn,
                bucket,
                LogEvent(
                    at=self._now,
                    message_id=row.object_id,
                    kind="purged",
                    recipients=(self._address,),
                    text="deleted by its user, then destroyed by the administrator",
                ),
            )


def _queued(engine: Engine) -> frozenset[int]:
    """Ids of the bodies that the queue still needs, read in steps."""
    found: set[int] = set()
    last = -1
    while True:
        step = engine.read(keys.QUEUE, partial(outbound.entries_after, entry_id=last, limit=_QUEUE_STEP))
        if not step:
            return frozenset(found)
        found.update(entry.body.id for entry in step)
        last = step[-1].id


def _steps(found: Iterable[Deleted], count: int, octets: int = 1 << 62) -> Iterator[list[Deleted]]:
    step: list[Deleted] = []
    size = 0
    for one in found:
        if step and (len(step) == count or size + one.size > octets):
            yield step
            step, size = [], 0
        step.append(one)
        size += one.size
    if step:
        yield step
