"""Mail for the world (587, 465): one transaction of a sender that we know (RFC 6409).

Owns the order of the steps, the header that is completed and the Bcc that is taken out. What the sender may call itself
and where its copy goes is ``account_sender``'s; a host that sends for a domain takes the same way (``outward``).
Recipients are ``policy``'s, the commit is ``acceptance``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from xtramail.delivery import signing, trace
from xtramail.delivery.acceptance import Acceptance, unavailable
from xtramail.delivery.account_sender import AccountSender, current
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.intake import LOOP, SENDER_OK, looped
from xtramail.delivery.mirroring import mirroring
from xtramail.delivery.outgoing_header import HeaderBuffer, OutgoingHeader
from xtramail.delivery.policy import TOO_LARGE, Policy
from xtramail.delivery.rates import SendingRates
from xtramail.delivery.recipients import Recipients
from xtramail.delivery.sender import Sender
from xtramail.delivery.submission_text import SubmissionText
from xtramail.directory.directory import Directory
from xtramail.model.clock import Clock
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import XtramailError
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store import keys
from xtramail.store.engine import Engine
from xtramail.store.records import Account

ONE_FROM = Reply.of(550, "5.7.1", "A message has exactly one From field, with an address of yours")
HEADER_TOO_LARGE = Reply.of(550, "5.6.0", "The header is larger than 256 KiB or has more than 2000 fields")
HEADER_FOLDED = Reply.of(550, "5.6.0", "The header begins with a continuation line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What every transaction of one server shares."""

    engine: Engine
    directory: Directory
    policy: Policy
    acceptance: Acceptance
    rates: SendingRates
    clock: Clock
    ids: IdSource
    received_hops: int = trace.MAX_HOPS
    keys: signing.Keys = signing.NO_KEYS

    def begin(self, peer: Peer, account: Account) -> SubmissionTransaction:
        """``account`` as it was when it logged in."""
        sender = AccountSender(self.directory, self.policy.settings, self.rates, account)
        return SubmissionTransaction(self, peer, sender)

    def watch(self, account: Account, ended: Callable[[], None]) -> Callable[[], None]:
        """Call ``ended()`` when the login of ``account`` is no longer valid; returns the un-watcher."""

        def look() -> None:
            if current(self.directory, account) is None:
                ended()

        return self.engine.watch(keys.user_scope(account.id), look)


class SubmissionTransaction:
    """See ``transaction.MailTransaction``."""

    def __init__(self, submission: Submission, peer: Peer, sender: Sender) -> None:
        self._submission = submission
        self._peer = peer
        self._sender = sender
        self._limit = sender.size_limit
        self._message_id = submission.ids.next()
        self._path = ReversePath(address=None)
        self._recipients = Recipients(submission.policy, ReversePath(address=None), outside=True)
        self._header = HeaderBuffer()
        self._size = 0
        self._at: float | None = None
        self._arrival: Arrival | None = None
        self._text: SubmissionText | None = None
        self._refusal: Reply | None = None

    @property
    def message_id(self) -> MessageId:
        return self._message_id

    @property
    def path(self) -> ReversePath:
        return self._path

    @property
    def recipients(self) -> Recipients:
        return self._recipients

    def mail_from(self, path: ReversePath) -> Reply:
        submission = self._submission
        refusal = self._sender.refuse_path(path)
        if refusal is not None:
            return refusal
        self._limit = self._sender.size_limit
        full = submission.policy.space()
        if full is not None:
            return full
        self._path = path
        self._recipients = Recipients(submission.policy, path, outside=True, admit=self._sender.refuse_recipients)
        return SENDER_OK

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        return self._recipients.add(path)

    def chunk(self, octets: bytes) -> Pending[None] | None:
        if self._at is None:
            # The buckets are chosen by the first octet, once: midnight may pass before the last one.
            self._at = self._submission.clock.now()
        self._size += len(octets)
        if self._size > self._limit:
            self._refusal = self._refusal or TOO_LARGE
        if self._refusal is not None:
            return None
        if self._text is not None:
            return self._text.write(octets)
        rest = self._header.feed(octets)
        if self._header.too_large:
            self._refusal = HEADER_TOO_LARGE
            return None
        return self._header_complete(rest) if self._header.complete else None

    async def commit(self) -> Reply:
        acceptance = self._submission.acceptance
        if self._refusal is None and self._text is None:
            # The message is a header and nothing else.
            self._header_complete(b"")
        text, arrival = self._text, self._arrival or self._arrived(())
        if self._refusal is not None or text is None:
            return acceptance.refuse(arrival, self._refusal or ONE_FROM, "header")
        try:
            relayed, sent = await text.finish()
        except XtramailError as error:
            return acceptance.refuse(arrival, unavailable(error), type(error).__name__)
        submission = self._submission
        if looped(arrival, relayed.summary, submission.policy.settings.hostname, submission.received_hops):
            return acceptance.refuse(arrival, LOOP, "loop")
        return await acceptance.commit(arrival, relayed, sent=sent, now=self._submission.clock.now())

    def abort(self) -> None:
        self._text = None

    def _arrived(self, authors: tuple[str, ...]) -> Arrival:
        return self._sender.arrival(
            message_id=self._message_id,
            at=self._submission.clock.now() if self._at is None else self._at,
            peer=self._peer,
            path=self._path,
            routes=self._recipients.routes,
            authors=authors,
        )

    def _header_complete(self, rest: bytes) -> Pending[None] | None:
        """The whole header is here: check it, complete it, and only then begin to write."""
        submission = self._submission
        header = OutgoingHeader(self._header.octets)
        if header.too_many_fields:
            self._refusal = HEADER_TOO_LARGE
        elif header.begins_folded:
            self._refusal = HEADER_FOLDED
        elif header.from_count != 1 or not header.authors or not header.from_legible:
            self._refusal = ONE_FROM
        else:
            self._refusal = self._sender.refuse_message(self._path, header.names, self._recipients.routes)
        if self._refusal is not None:
            return None
        self._arrival = arrival = mirroring(
            submission.policy.beside, self._arrived(header.authors), authors=header.authors
        )
        self._text = SubmissionText(
            submission.engine,
            submission.clock,
            arrival,
            header,
            hostname=submission.policy.settings.hostname,
            sent_id=submission.ids.next(),
            keys=submission.keys,
        )
        return self._text.write(rest) if rest else None
