"""Sent-back: what users send through us lies in their own mailbox at the primary, too, as if they had sent it there.

One queue entry of kind ``sent`` for each submitted message, accepted with it and a message of its own in ledger and
log, so that mail to oneself stays two. It follows the states of its destination as any other mail. It goes the domain's
way: by SMTP to the sender's own address, the Sent copy (Bcc and all) under one field more, or into the mailbox for sent
mail over IMAP, where it is looked for first.

By SMTP it has the null reverse-path and NOTIFY=NEVER: nobody answers it, no vacation notice and no bounce, so nothing
comes back of it, and whoever forwards it keeps the null sender. It is signed as what went to the others, so that a
primary that checks mail from its own domain finds it good; a Sent copy put there over IMAP is what the user wrote and
nothing else. What comes back all the same (the primary forwards the
user's mail to where we take it) is refused as the loop that it is: :func:`came_back`.

Owns which messages these are and what they look like. The commit is ``acceptance``'s, the attempt ``relay``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from xtramail.delivery.arrival import Arrival
from xtramail.delivery.courier import Body, Carried
from xtramail.delivery.spool import Spooled
from xtramail.delivery.trace import SIGNATURE
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import text
from xtramail.directory.places import place_of
from xtramail.directory.primaries import primary_of
from xtramail.model.address import Address, key_of
from xtramail.model.envelope import BodyType
from xtramail.model.ids import MessageId, id_text
from xtramail.model.message import Summary
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import Pending
from xtramail.model.primary import State
from xtramail.store import domains, keys, tracking
from xtramail.store.drills import in_drill
from xtramail.store.engine import Engine
from xtramail.store.records import Account, DomainRow, LogEvent, QueueEntry, QueueRecipient
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

FIELD = b"X-Xtramail-Sent: yes\r\n"
_FIELD_NAME = "x-xtramail-sent"
ID_FIELD = "X-Xtramail-Id"
"""On top of an appended message without Message-ID, so that it can be found again."""


def wanted(engine: Engine, arrival: Arrival) -> str:
    """The destination to which what is submitted by ``arrival`` is given back: its sender has a mailbox elsewhere, too,
    and copies are kept. Empty where it is not."""
    if arrival.origin != "submission" or arrival.sender is None:
        return ""
    sender = Address.parse(arrival.sender.address)
    name = sender.domain_key
    domain = engine.read(keys.domain_scope(name), domains.get_domain)
    if domain is None or not domain.continuity:
        return ""
    place = engine.read(keys.domain_scope(name), lambda snap: place_of(snap, domain, sender.local_key))
    return place.destination if place.relay and _now(engine, domain, arrival.sender, arrival.at) else ""


def _now(engine: Engine, domain: DomainRow, sender: Account, now: float) -> bool:
    when = text(domain, "sent-back", sender)
    if when == "outage":
        # Who takes part in a drill works as in an outage, and what he sends is wanted at his own server as then.
        drilled = engine.read(keys.DRILLS, partial(in_drill, account_id=sender.id, now=now))
        return drilled or primary_of(engine, domain.name).state != State.UP
    return when == "always"


def by_imap(domain: DomainRow | None) -> bool:
    """Whether sent mail is put into mailboxes of the domain's primary over IMAP, and not sent there."""
    return domain is not None and bool(domain.primaries) and text(domain, "sent-back-by") == "imap"


def sent_entry(
    arrival: Arrival, sent: Spooled, *, destination: str, entry_id: int, message_id: MessageId, hold_seconds: float
) -> QueueEntry:
    """The entry that gives ``sent``, the Sent copy of ``arrival``'s sender, back. ValueError without a sender."""
    sender = arrival.sender
    if sender is None:
        raise ValueError("a sent copy has a sender")
    path = arrival.reverse_path
    return QueueEntry(
        id=entry_id,
        message_id=message_id,
        destination=destination,
        kind="sent",
        body=sent.ref(arrival.home),
        reverse_path="",
        arrival=arrival.at,
        due=arrival.at,
        expires=arrival.at + hold_seconds,
        recipients=(
            QueueRecipient(address=sender.address, notify="NEVER", fate=Fate.HELD.value, changed=arrival.at),
        ),
        origin="submission",
        smtputf8=path.smtputf8,
        eightbit=path.body is BodyType.EIGHT_BIT,
        header_message_id=sent.summary.message_id,
        account_id=sender.id,
        signature=sent.signed.fields,
    )


def sent_event(entry: QueueEntry, original: MessageId, subject: str, now: float) -> LogEvent:
    """The first event of its own story; it names the message that it is a copy of."""
    fields = {"origin": "sent", "copy-of": id_text(original), "subject": subject[:200]}
    if entry.header_message_id:
        fields[tracking.MESSAGE_ID_FIELD] = entry.header_message_id
    return LogEvent(
        at=now,
        message_id=entry.message_id,
        kind="accepted",
        recipients=tuple(one.address for one in entry.recipients),
        text=f"sent copy of {id_text(original)}, for its sender's own mailbox at the primary",
        fields=fields,
    )


def came_back(arrival: Arrival, summary: Summary, hostname: str) -> bool:
    """Whether a message from the world is what we gave back to each of its recipients.

    Whoever forges one is told so by the refusal: nothing is lost silently. The same message for somebody else is
    ordinary mail, forwarded by a rule of the primary.
    """
    # Nearly every message of the world ends here.
    if _FIELD_NAME not in summary.header_text.lower():
        return False
    lines = summary.header_text.split("\n")
    if not any(line.partition(":")[0].strip().lower() == _FIELD_NAME for line in lines):
        return False
    mark = f"by {hostname} {SIGNATURE} with ".lower()
    earlier = [line for line in lines if line[:9].lower() == "received:"][1:]
    authors = {key_of(author) for author in summary.from_addresses}
    return any(mark in " ".join(line.lower().split()) for line in earlier) and all(
        route.path.address.key in authors for route in arrival.written
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCopy:
    """One message for a mailbox for sent mail. ``known_by``: name and value of the field that it can be found by."""

    address: str
    known_by: tuple[str, str]
    sent_at: float
    """Seconds since 1970: its INTERNALDATE."""
    body: Body


@dataclass(frozen=True, slots=True)
class Filed:
    """What came of it. ``there``: it is; None: it was sent whole, and the answer is missing."""

    there: bool | None
    host: str
    text: str
    """What to tell people."""


class SentMailboxes(Protocol):
    """Mailboxes at a domain's primary."""

    def file(self, domain: DomainRow, copy: SentCopy, before: Callable[[], Pending[None]]) -> Pending[Filed]:
        """Put ``copy`` into the user's mailbox for sent mail unless it is there. Never fails: every fault is told.

        Nothing is appended before the Pending of ``before()`` is settled, and nothing at all when it fails.
        """


class SentBack:
    """The way of an entry of kind ``sent``."""

    def __init__(self, *, directory: Directory, mailboxes: SentMailboxes) -> None:
        self._directory = directory
        self._mailboxes = mailboxes

    async def file(
        self, entry: QueueEntry, body: Body, before_dot: Callable[[tuple[int, ...]], Pending[None]]
    ) -> Carried | None:
        """One attempt over IMAP, in the words of a courier; None where the domain wants it by SMTP."""
        domain = self._directory.domain(entry.destination)
        if domain is None or not by_imap(domain):
            return None
        known_by = ("Message-ID", entry.header_message_id)
        if not entry.header_message_id:
            known_by = (ID_FIELD, id_text(entry.message_id))
            body = topped(body, f"{ID_FIELD}: {id_text(entry.message_id)}\r\n".encode())
        copy = SentCopy(address=entry.recipients[0].address, known_by=known_by, sent_at=entry.arrival, body=body)
        filed = await self._mailboxes.file(domain, copy, lambda: before_dot((0,)))
        if filed.there:
            reply = Reply.of(250, "2.0.0", filed.text)
            outcome = RecipientOutcome(verdict=Verdict.DELIVERED, stage=Stage.FINAL, reply=reply)
            return Carried(outcomes=(outcome,), host=filed.host)
        verdict = Verdict.UNCONFIRMED if filed.there is None else Verdict.DEFERRED
        outcome = RecipientOutcome(verdict=verdict, stage=Stage.LOCAL, reply=None)
        return Carried(outcomes=(outcome,), host=filed.host, fault=filed.text)


def marked(body: Body) -> Body:
    """As it goes by SMTP: under the field by which rules and people know it."""
    return topped(body, FIELD)


def topped(body: Body, line: bytes) -> Body:
    """The body under one more line."""

    def chunks() -> Iterator[bytes]:
        yield line
        yield from body.chunks()

    return Body(size=body.size + len(line), chunks=chunks)
