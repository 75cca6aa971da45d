"""Copies that a domain's own server sends to its journal address: by BCC, or as journal reports.

Owns whose mailboxes such a copy belongs to, and that it is doubled nowhere: a report tells the real envelope, a plain
copy has only its header (To, Cc, From). Recipients in the domain have it in their INBOX unless they had a message of
that Message-ID before (it came through us, and may be deleted by now); senders in the domain have it in Sent. A copy is
stored and nothing else: not handed to the primary, which has it, and never reported on.

A transaction is either to a journal address, alone, or to people: both at once are told 452, so that the sender's next
transaction has the rest.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

from xtramail.delivery.acceptance import Acceptance, unavailable
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.intake import SENDER_OK, begin_spool
from xtramail.delivery.mirroring import mirroring
from xtramail.delivery.policy import Policy, Route
from xtramail.delivery.spool import Spool
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.directory import Directory
from xtramail.directory.journal_addresses import JournalAddresses
from xtramail.directory.relay_clients import RelayClients
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import BadInput, XtramailError
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store.engine import Engine
from xtramail.store.records import Account
from xtramail.wire.mime import limits
from xtramail.wire.mime.address_list import read_addresses
from xtramail.wire.mime.header import header_end, unfold, values
from xtramail.wire.mime.journal_report import JournalEnvelope, JournalReader

APART = Reply.of(452, "4.5.3", "A journal address takes messages of its own, send this one again")
_AUTHOR = frozenset({b"from", b"sender"})
_NAMED = frozenset({b"to", b"cc", b"bcc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What every such transaction of one server shares."""

    engine: Engine
    directory: Directory
    policy: Policy
    acceptance: Acceptance
    addresses: JournalAddresses
    clients: RelayClients
    clock: Clock
    ids: IdSource

    def before(self, peer: Peer, people: MailTransaction) -> MailTransaction:
        """``people`` is what the transaction is unless it is to a journal address."""
        return JournalDoor(self, peer, people) if self.addresses.any else people

    def domain_of(self, address: Address, peer: Peer) -> str | None:
        return self.addresses.domain_of(address, peer, self.clients.domains_of(peer))


class JournalDoor:
    """See ``transaction.MailTransaction``: to people, or to a journal address, by its first recipient."""

    def __init__(self, journal: Journal, peer: Peer, people: MailTransaction) -> None:
        self._journal = journal
        self._peer = peer
        self._people = people
        self._way: MailTransaction = people
        self._taken = False
        """A person has been named."""

    @property
    def message_id(self) -> MessageId:
        return self._way.message_id

    def mail_from(self, path: ReversePath) -> Reply:
        return self._people.mail_from(path)

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        name = self._journal.domain_of(path.address, self._peer)
        if name is None:
            if self._way is not self._people:
                return APART
            return self._people_taken(self._people.rcpt_to(path))
        if self._taken:
            return APART
        self._way = JournalTransaction(self._journal, self._peer, name, self._people.message_id)
        return Reply.of(250, "2.1.5", f"<{path.address}> ok")

    def _people_taken(
        self, answer: Reply | Coroutine[Any, Any, Reply]
    ) -> Reply | Coroutine[Any, Any, Reply]:
        if not isinstance(answer, Reply):
            # Whatever comes of asking, the next recipient is not to be a journal address.
            self._taken = True
        else:
            self._taken = self._taken or answer.positive
        return answer

    def chunk(self, octets: bytes) -> Pending[None] | None:
        return self._way.chunk(octets)

    async def commit(self) -> Reply:
        return await self._way.commit()

    def abort(self) -> None:
        self._way.abort()


class JournalTransaction:
    """See ``transaction.MailTransaction``; its sender and its one recipient are judged already."""

    def __init__(self, journal: Journal, peer: Peer, domain: str, message_id: MessageId) -> None:
        """``domain`` whose journal it is."""
        self._journal = journal
        self._peer = peer
        self._domain = domain
        self._message_id = message_id
        self._reader = JournalReader()
        self._at: float | None = None
        self._head = b""
        """Of a plain copy, until its header is there."""
        self._arrival: Arrival | None = None
        self._spool: Spool | None = None

    @property
    def message_id(self) -> MessageId:
        return self._message_id

    def mail_from(self, path: ReversePath) -> Reply:
        return SENDER_OK

    def rcpt_to(self, path: ForwardPath) -> Reply:
        return APART

    def chunk(self, octets: bytes) -> Pending[None] | None:
        if self._at is None:
            # The buckets are chosen by the first octet, once: midnight may pass before the last one.
            self._at = self._journal.clock.now()
        return self._write(self._reader.feed(octets), final=False)

    async def commit(self) -> Reply:
        journal = self._journal
        self._write(self._reader.finish(), final=True)
        arrival, spool = self._begun()
        try:
            text = await spool.finish()
        except XtramailError as error:
            return journal.acceptance.refuse(arrival, unavailable(error), type(error).__name__)
        kept = tuple(route for route in arrival.routes if journal.policy.room(route, text.summary.size))
        for route in arrival.routes:
            if route not in kept:
                journal.acceptance.no_room(arrival, route.accounts)
        return await journal.acceptance.commit(
            replace(arrival, routes=kept), text, sent=text if arrival.sent_for else None, now=journal.clock.now()
        )

    def abort(self) -> None:
        self._spool = None

    def _write(self, octets: bytes, *, final: bool) -> Pending[None] | None:
        if self._spool is None:
            self._head += octets
            if not self._reader.decided or not (final or self._ready()):
                return None
            octets, self._head = self._head, b""
            self._begin(self._reader.envelope or _from_header(octets))
        _, spool = self._begun()
        return spool.write(octets) if octets else None

    def _ready(self) -> bool:
        """The envelope is known: of a plain copy once its header is there."""
        if self._reader.envelope is not None:
            return True
        return header_end(self._head) < len(self._head) or len(self._head) > limits.HEADER_OCTETS

    def _begin(self, envelope: JournalEnvelope) -> None:
        journal = self._journal
        domain = journal.directory.domain(self._domain)
        sender = _parsed(envelope.sender)
        arrival = Arrival(
            message_id=self._message_id,
            at=journal.clock.now() if self._at is None else self._at,
            peer=self._peer,
            reverse_path=ReversePath(address=sender),
            routes=tuple(self._routes(envelope.recipients)),
            origin="journal",
            home_class=0 if domain is None else domain.retention_class,
            relay_client=self._domain,
            sent_for=() if sender is None else self._author(sender),
        )
        self._arrival = mirroring(journal.policy.beside, arrival, authors=() if sender is None else (str(sender),))
        also = (self._arrival.home,) if self._arrival.sent_for else ()
        self._spool = begin_spool(
            journal.engine, journal.clock, self._arrival, journal.policy.settings.hostname, also=also
        )

    def _begun(self) -> tuple[Arrival, Spool]:
        if self._arrival is None or self._spool is None:
            self._begin(JournalEnvelope(sender="", recipients=()))
        assert self._arrival is not None and self._spool is not None
        return self._arrival, self._spool

    def _routes(self, recipients: tuple[str, ...]) -> Iterator[Route]:
        """Of those in the domain who have a mailbox, each once."""
        domain = self._journal.directory.domain(self._domain)
        seen: set[int] = set()
        for address in filter(None, map(_parsed, recipients)):
            fresh = tuple(one for one in self._mailboxes(address) if one.id not in seen)
            seen.update(one.id for one in fresh)
            if domain is not None and fresh:
                resolution = self._journal.directory.resolve(address)
                yield Route(
                    path=ForwardPath(address=address, notify=("NEVER",)),
                    domain=domain,
                    accounts=fresh,
                    relay=False,
                    destination=domain.name,
                    up=resolution.up,
                    keeping=resolution.keeping,
                    keepings=resolution.keepings,
                )

    def _mailboxes(self, address: Address) -> tuple[Account, ...]:
        if self._journal.directory.canonical(address).domain_key != self._domain:
            return ()
        return self._journal.directory.resolve(address).accounts

    def _author(self, address: Address) -> tuple[Account, ...]:
        """In whose Sent it is filed: of an address of several nobody knows whose it was."""
        found = self._mailboxes(address)
        return found if len(found) == 1 else ()


def _from_header(octets: bytes) -> JournalEnvelope:
    """What a plain copy says of itself."""
    lines = unfold(octets[: header_end(octets)])
    authors, named = (
        [
            found.address
            for value in (value for some in values(lines, wanted).values() for value in some)
            for found in read_addresses(value)[0]
            if found.host is not None
        ]
        for wanted in (_AUTHOR, _NAMED)
    )
    return JournalEnvelope(sender=authors[0] if authors else "", recipients=tuple(named))


def _parsed(text: str) -> Address | None:
    try:
        return Address.parse(text) if text else None
    except BadInput:
        return None
