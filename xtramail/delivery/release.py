"""Release: a person has one stored message sent to the primary again, whatever became of it.

What still waits for a recipient (held, unconfirmed, or for its next attempt) is due at once, in the entry that it has:
it is not sent beside itself. For everybody else it is queued anew, as mail of its own in ledger and log. While the
primary is away it appears in INBOX again, where its reader would look for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from xtramail.directory.desk import Change, Desk
from xtramail.directory.places import domain_of
from xtramail.directory.resolution import Resolver, resolver
from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_LOG, Bucket, bucket_at
from xtramail.model.errors import BadInput, OverQuota
from xtramail.model.ids import IdSource, id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import bodies, keys, mailboxes, messages, outbound, recovered, tracking
from xtramail.store.copies import copies_of
from xtramail.store.engine import Engine, Txn
from xtramail.store.mail_rows import recoverable_at
from xtramail.store.message_row import BodyRef
from xtramail.store.messages import NewMessage
from xtramail.store.new_message import new_message
from xtramail.store.records import Account, LogEvent, QueueEntry, QueueRecipient
from xtramail.wire.mime.scanner import Scanner


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A message as it is stored: ``message_id`` is ours, ``header_message_id`` its header's."""

    message_id: int
    body: BodyRef
    reverse_path: str
    header_message_id: str


@dataclass(frozen=True, slots=True)
class Released:
    message_id: int
    """Under which it goes to ``queued``; 0 where that is nobody."""
    queued: tuple[str, ...]
    due: dict[str, int]
    """Queue entry of each who waited for it already, by address."""
    reappeared: tuple[str, ...]
    """In whose INBOX it is again."""


async def release(
    desk: Desk, ids: IdSource, stored: Stored, wanted: Mapping[str, Sequence[str]], *, hold_seconds: float
) -> Released:
    """``wanted``: addresses by the domain whose primary takes them, each one of the actor's. In one commit.

    NoSuchDomain. Given up after ``hold_seconds``.
    """
    for name in wanted:
        desk.domain(domain_of(name))
    engine, now, by = desk.engine, desk.now(), desk.actor.name
    addresses = [address for some in wanted.values() for address in some]
    due = _waiting(engine, stored.message_id, addresses)
    fresh = ids.next()
    eightbit = not all(chunk.isascii() for chunk in bodies.chunks(engine, stored.body))
    entries = [
        QueueEntry(
            id=ids.next(),
            message_id=fresh,
            destination=destination,
            kind="primary",
            body=stored.body,
            reverse_path=stored.reverse_path,
            arrival=now,
            due=now,
            expires=now + hold_seconds,
            recipients=tuple(QueueRecipient(address=one, fate=Fate.HELD.value, changed=now) for one in left),
            eightbit=eightbit,
            header_message_id=stored.header_message_id,
            released=True,
        )
        for destination, some in wanted.items()
        if (left := [address for address in some if address not in due])
    ]
    queued = tuple(one.address for entry in entries for one in entry.recipients)
    events = []
    if due:
        text = f"due again, by {by}"
        events.append(_event(stored.message_id, stored, tuple(due), text, {}, now))
    if queued:
        fields = {"of": id_text(stored.message_id)}
        text = f"released again from {id_text(stored.message_id)}, by {by}"
        events.append(_event(fresh, stored, queued, text, fields, now))
    readers = _readers(resolver(engine, desk.clock), wanted)
    message = _message(engine, stored, now) if readers else None
    appear = partial(_reappear, stored=stored, message=message, now=now)
    told = [
        Change("message release", id_text(stored.message_id), domain_of(name), after={"to": ",".join(some)})
        for name, some in wanted.items()
    ]
    results = await desk.change_all(
        told,
        [
            *((keys.user_scope(one.id), appear) for one in readers),
            (keys.QUEUE, partial(_enqueue, entries=entries, due=sorted(set(due.values())), now=now)),
            (keys.LOG, partial(_tell, events=events, now=now)),
        ],
    )
    there = zip(readers, results, strict=False)
    return Released(
        message_id=fresh if queued else 0,
        queued=queued,
        due=due,
        reappeared=tuple(account.address for account, appeared in there if appeared),
    )


def _waiting(engine: Engine, message_id: int, addresses: Sequence[str]) -> dict[str, int]:
    """The entries in which a message waits for these, by address."""
    entries = engine.read(keys.QUEUE, outbound.entries)
    return {
        one.address: entry.id
        for entry in entries
        if entry.message_id == message_id
        for one in entry.recipients
        if one.fate in OPEN_FATES and one.address in addresses
    }


def _readers(known: Resolver, wanted: Mapping[str, Sequence[str]]) -> list[Account]:
    """Whose primary is away, and who has a mailbox here."""
    found: dict[int, Account] = {}
    for destination, some in wanted.items():
        if known.engine.read(keys.QUEUE, partial(outbound.destination, name=destination)) is None:
            continue
        for address in some:
            try:
                meant = known.resolve(Address.parse(address))
            except BadInput:
                continue
            # Whose copy is kept for other days has it there.
            found.update({one.id: one for one in meant.accounts if one.id not in meant.keepings})
    return list(found.values())


def _message(engine: Engine, stored: Stored, now: float) -> NewMessage:
    """As it came, for who has no copy at all."""
    scanner = Scanner(clock=time.thread_time)
    for chunk in bodies.chunks(engine, stored.body):
        scanner.feed(chunk)
    return new_message(scanner.finish(), stored.body, object_id=stored.body.id, internaldate=now, source="smtp")


def _reappear(txn: Txn, stored: Stored, message: NewMessage | None, now: float) -> bool:
    """Put it into INBOX unless it lies there; whether it was put there."""
    bucket = Bucket(stored.body.bucket)
    mailboxes.ensure_special(txn, now)
    inbox = mailboxes.mailbox_by_name(txn, "INBOX")
    copies = copies_of(txn, bucket, stored.body.id, stored.header_message_id)
    if inbox is None or message is None or any(mailbox == inbox.id for mailbox, _ in copies.present):
        return False
    if copies.present or not copies.deleted:
        messages.add(txn, inbox.id, bucket, message, now)
        return True
    last = copies.deleted[-1]
    found = recoverable_at(txn, bucket, last.mailbox, last.uid)
    try:
        return found is not None and bool(recovered.restore(txn, inbox.id, [found[0]], now))
    except OverQuota:
        # It goes to the primary all the same, and can be put back by hand.
        return False


def _event(
    message_id: int, stored: Stored, addresses: tuple[str, ...], text: str, fields: dict[str, str], now: float
) -> LogEvent:
    return LogEvent(
        at=now,
        message_id=message_id,
        kind="released",
        sender=stored.reverse_path,
        recipients=addresses,
        text=text,
        fields=fields,
    )


def _enqueue(txn: Txn, entries: Sequence[QueueEntry], due: Sequence[int], now: float) -> None:
    for number in due:
        outbound.insist(txn, number, now)
    for entry in entries:
        outbound.enqueue(txn, entry)
        for one in entry.recipients:
            row = outbound.first_row(entry, now)
            outbound.ledger_put(txn, Bucket(entry.body.bucket), entry.message_id, one.address, row)


def _tell(txn: Txn, events: Sequence[LogEvent], now: float) -> None:
    for event in events:
        tracking.record(txn, bucket_at(now, CLASS_LOG), event)
