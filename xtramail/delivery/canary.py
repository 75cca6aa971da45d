"""Canaries: probe messages of the server's own, marked so that everybody can tell them from mail, and tidied up after.

Owns their form, how they come in and go out like anybody's mail, what the ledger says of them, and how they go again:
out of the queue, out of a user's mailboxes, and out of those at the primary where we may. What they prove is
``drill``'s and ``round_trip``'s.
"""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from xtramail.delivery.intake import Intake
from xtramail.delivery.submission import Submission
from xtramail.delivery.transaction import MailTransaction
from xtramail.model.address import Address
from xtramail.model.bucket import bucket_day
from xtramail.model.clock import Clock, day_of
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.ids import MessageId, id_seconds
from xtramail.model.outcome import OPEN_FATES, Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store import keys, messages, outbound, recovered, tracking
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.erasure import erase
from xtramail.store.mail_rows import flag_row
from xtramail.store.mailbox_rows import live_buckets, mailboxes
from xtramail.store.records import Account, DomainRow, LedgerRow, QueueEntry
from xtramail.store.tracking import Query
from xtramail.wire.mime.compose import Note, note
from xtramail.wire.mime.dates import format_date

FIELD = "X-Xtramail-Drill"
"""On top of every canary: by it, people and rules of the primary know them."""
_HERE = Peer(address="127.0.0.1", helo="localhost", esmtp=True)
_NEARBY = 200
"""Queue entries behind a message's own id that are looked through for its own."""


class CanaryMailboxes(Protocol):
    """Mailboxes at a domain's primary: looked into, and tidied up."""

    def has(self, domain: DomainRow, address: str, message_id: str) -> Pending[bool | None]:
        """See ``primary_mail.PrimaryMail``."""

    def remove(self, domain: DomainRow, address: str, message_ids: Sequence[str]) -> Pending[int | None]:
        """Delete the messages with these Message-IDs (angle brackets) from all mailboxes of ``address`` there.

        How many went, None when nobody could look. Never fails, and takes a bounded time.
        """


class TakesBack(Protocol):
    """``relay.Relay``, as far as canaries go."""

    def withdraw(self, entry_id: int, reason: str) -> Coroutine[Any, Any, None]:
        """Suppress what still waits in a queue entry, unless somebody is just handing it over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """``kind`` and ``of`` say of what: they stand in its mark."""

    message_id: str
    """``<...>`` of its header."""
    kind: str
    of: str
    sender: str
    to: str
    text: str

    def octets(self, now: float) -> bytes:
        """The whole message."""
        plain = Note(
            sender_address=self.sender,
            to=self.to,
            subject=f"[{self.of}] {self.kind}",
            text=self.text,
            date=format_date(now),
            message_id=self.message_id,
        )
        return f"{FIELD}: {self.kind}; {self.of}\r\n".encode() + note(plain)


@dataclass(frozen=True, slots=True)
class Sent:
    """``number`` is our id of the message; ``reply`` says why there is none."""

    number: int
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    engine: Engine
    intake: Intake
    submission: Submission
    clock: Clock
    relay: TakesBack
    mailboxes: CanaryMailboxes

    async def come_in(self, canary: Canary) -> Sent:
        """As mail from the world does on port 25, from the null sender; one that came in before is not sent again."""
        return await self._sent(canary, self.intake.begin(_HERE), ReversePath(address=None))

    async def go_out(self, canary: Canary, account: Account) -> Sent:
        """As what ``account`` sends does once it is logged in: filed in Sent, and given back by the domain's rule."""
        path = ReversePath(address=Address.parse(account.address))
        return await self._sent(canary, self.submission.begin(_HERE, account), path)

    async def _sent(self, canary: Canary, transaction: MailTransaction, path: ReversePath) -> Sent:
        known = self.number_of(canary.message_id)
        if known:
            # We died between its commit and the note that it is sent.
            return Sent(known)
        reply = transaction.mail_from(path)
        if reply.positive:
            # Nobody is told when it fails: who sent it looks.
            taken = transaction.rcpt_to(ForwardPath(address=Address.parse(canary.to), notify=("NEVER",)))
            reply = await taken if isinstance(taken, Coroutine) else taken
        if not reply.positive:
            transaction.abort()
            return Sent(0, reply)
        waits = transaction.chunk(canary.octets(self.clock.now()))
        if waits is not None:
            await waits
        reply = await transaction.commit()
        return Sent(transaction.message_id if reply.positive else 0, None if reply.positive else reply)

    def number_of(self, message_id: str, *, copy: bool = False) -> int:
        """Our id of what was accepted with this Message-ID, 0 when nothing was; ``copy``: of the copy given back."""

        def look(snap: Snapshot) -> int:
            for number in tracking.search(snap, Query(message_ids=(message_id,)), 10).ids:
                told = [event for event in tracking.events_of(snap, number) if event.kind == "accepted"]
                if any(("copy-of" in event.fields) == copy for event in told):
                    return number
            return 0

        return self.engine.read(keys.LOG, look)

    def fate(self, number: int, recipient: str) -> LedgerRow | None:
        """What the ledger says of a message for a recipient."""
        return self.engine.read(keys.QUEUE, partial(_ledger, number=number)).get(recipient)

    def filed(self, account_id: int, message_id: str) -> list[str]:
        """Names of the mailboxes in which a user has it now."""

        def look(snap: Snapshot) -> list[str]:
            names = {row.id: row.special_use or row.name for row in mailboxes(snap)}
            return [names.get(place[1], "") for place in messages.by_message_id(snap, message_id)]

        return self.engine.read(keys.user_scope(account_id), look)

    async def withdraw(self, numbers: Collection[int], reason: str) -> bool:
        """Suppress what of these messages still waits; False while somebody is just handing one of them over."""
        for number in numbers:
            for entry in self.engine.read(keys.QUEUE, partial(_waiting, number=number)):
                await self.relay.withdraw(entry.id, reason)
        return not any(self.engine.read(keys.QUEUE, partial(_waiting, number=number)) for number in numbers)

    async def erase(self, account_id: int, message_ids: Sequence[str]) -> int:
        """Take messages out of all mailboxes of a user here, Recovered as well; how many there were."""
        work = partial(_erase, message_ids=message_ids, now=self.clock.now())
        return await self.engine.transact(keys.user_scope(account_id), work)


def _ledger(snap: Snapshot, number: int) -> dict[str, LedgerRow]:
    """Rows lie in the day on which the message began to come: around that of its id."""
    day = day_of(id_seconds(number))
    return {
        recipient: row
        for bucket in snap.buckets()
        if abs(bucket_day(bucket) - day) <= 1
        for recipient, row in outbound.ledger_of(snap, bucket, MessageId(number)).items()
    }


def _waiting(snap: Snapshot, number: int) -> list[QueueEntry]:
    """Ids of a message's entries come right behind its own."""
    found = outbound.entries_after(snap, number, _NEARBY)
    return [
        one for one in found if one.message_id == number and any(r.fate in OPEN_FATES for r in one.recipients)
    ]


def _erase(txn: Txn, message_ids: Sequence[str], now: float) -> int:
    gone = 0
    for message_id in message_ids:
        for _, mailbox_id, uid, _ in messages.by_message_id(txn, message_id):
            gone += len(erase(txn, mailbox_id, [uid], now))
        low = keys.message_id_prefix(message_id)
        places = [
            (bucket, *keys.message_id_place(key))
            for bucket in live_buckets(txn)
            for key, _ in txn.range(bucket, low, keys.after(low))
        ]
        deleted = {(mailbox, uid) for bucket, mailbox, uid in places if flag_row(txn, mailbox, bucket, uid) is None}
        if deleted:
            rows = recovered.recoverables(txn)
            uids = [number for _, number, origin in rows if (origin.mailbox, origin.uid) in deleted]
            gone += len(recovered.remove(txn, uids, now))
    return gone

