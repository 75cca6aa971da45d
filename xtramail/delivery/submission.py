"""Mail of our own users (587, 465): one transaction of an account that has logged in (RFC 6409).

Owns what a sender may call itself, the header that is completed and the Bcc that is taken out, and the copy in Sent.
Recipients are ``policy``'s, the commit is ``acceptance``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from xtramail.delivery.acceptance import Acceptance, unavailable
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.intake import SENDER_OK
from xtramail.delivery.outgoing_header import HeaderBuffer, OutgoingHeader
from xtramail.delivery.policy import TOO_LARGE, Policy
from xtramail.delivery.recipients import Recipients
from xtramail.delivery.submission_text import SubmissionText
from xtramail.directory.directory import Directory
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import BadInput, XtramailError
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store import keys
from xtramail.store.engine import Engine
from xtramail.store.records import Account

NOT_YOURS = Reply.of(553, "5.7.1", "This sender address is not yours")
FROM_NOT_YOURS = Reply.of(550, "5.7.1", "The From address is not yours")
ONE_FROM = Reply.of(550, "5.7.1", "A message has exactly one From field, with an address of yours")
HEADER_TOO_LARGE = Reply.of(550, "5.6.0", "The header is larger than 256 KiB or has more than 2000 fields")
HEADER_FOLDED = Reply.of(550, "5.6.0", "The header begins with a continuation line")
LOGIN_ENDED = Reply.of(421, "4.7.0", "this login is no longer valid")
SIZE_SETTING = "message-size"
"""Key in an account's settings: its own limit in octets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What every transaction of one server shares."""

    engine: Engine
    directory: Directory
    policy: Policy
    acceptance: Acceptance
    clock: Clock
    ids: IdSource

    def begin(self, peer: Peer, account: Account) -> SubmissionTransaction:
        """``account`` as it was when it logged in."""
        return SubmissionTransaction(self, peer, account)

    def watch(self, account: Account, ended: Callable[[], None]) -> Callable[[], None]:
        """Call ``ended()`` when the login of ``account`` is no longer valid; returns the un-watcher."""

        def look() -> None:
            if self.current(account) is None:
                ended()

        return self.engine.watch(keys.user_scope(account.id), look)

    def current(self, account: Account) -> Account | None:
        """The account as it is now; None when it was disabled, removed, or its password changed since the login."""
        now = self.directory.account(Address.parse(account.address).key)
        if now is None or now.status != "active" or now.password_changed != account.password_changed:
            return None
        return now

    def size_limit(self, account: Account) -> int:
        """Octets of one message: the account's own limit where it has one, never more than the server's."""
        text = account.settings.get(SIZE_SETTING, "")
        own = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
        return min(own or self.policy.settings.message_size, self.policy.settings.message_size)

    def owned(self, account: Account, addresses: tuple[str, ...]) -> bool:
        """Whether each of ``addresses`` (as a From field has them) is one the account may send as."""
        try:
            return all(self.directory.owns(account, Address.parse(text)) for text in addresses)
        except BadInput:
            return False


class SubmissionTransaction:
    """See ``transaction.MailTransaction``."""

    def __init__(self, submission: Submission, peer: Peer, account: Account) -> None:
        self._submission = submission
        self._peer = peer
        self._account = account
        self._limit = submission.size_limit(account)
        self._message_id = submission.ids.next()
        self._path = ReversePath(address=None)
        self._recipients = Recipients(submission.policy, size=0, outside=True)
        self._header = HeaderBuffer()
        self._size = 0
        self._arrival: Arrival | None = None
        self._text: SubmissionText | None = None
        self._refusal: Reply | None = None

    @property
    def message_id(self) -> MessageId:
        return self._message_id

    def mail_from(self, path: ReversePath) -> Reply:
        submission = self._submission
        current = submission.current(self._account)
        if current is None:
            return LOGIN_ENDED
        self._account = current
        # The null sender is needed for read receipts (RFC 8098 §3); their From field is still looked at.
        if path.address is not None and not submission.owned(current, (str(path.address),)):
            return NOT_YOURS
        if path.size is not None and path.size > self._limit:
            return TOO_LARGE
        full = submission.policy.space()
        if full is not None:
            return full
        self._path = path
        self._recipients = Recipients(submission.policy, size=path.size or 0, outside=True)
        return SENDER_OK

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        return self._recipients.add(path)

    def chunk(self, octets: bytes) -> Pending[None] | None:
        self._begun()
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
        arrival = self._begun()
        acceptance = self._submission.acceptance
        if self._refusal is None and self._text is None:
            # The message is a header and nothing else.
            self._header_complete(b"")
        text = self._text
        if self._refusal is not None or text is None:
            return acceptance.refuse(arrival, self._refusal or ONE_FROM, "header")
        try:
            relayed, sent = await text.finish()
        except XtramailError as error:
            return acceptance.refuse(arrival, unavailable(error), type(error).__name__)
        return await acceptance.commit(arrival, relayed, sent=sent, now=self._submission.clock.now())

    def abort(self) -> None:
        self._text = None

    def _begun(self) -> Arrival:
        """At the first octet the buckets are chosen, once: midnight may pass before the last one."""
        if self._arrival is None:
            domain = self._submission.directory.domain(Address.parse(self._account.address).domain)
            self._arrival = Arrival(
                message_id=self._message_id,
                at=self._submission.clock.now(),
                peer=self._peer,
                reverse_path=self._path,
                routes=self._recipients.routes,
                origin="submission",
                home_class=0 if domain is None else domain.retention_class,
                sender=self._account,
                keeps_sent=domain is not None and domain.continuity,
            )
        return self._arrival

    def _header_complete(self, rest: bytes) -> Pending[None] | None:
        """The whole header is here: check it, complete it, and only then begin to write."""
        submission, arrival = self._submission, self._begun()
        header = OutgoingHeader(self._header.octets)
        if header.too_many_fields:
            self._refusal = HEADER_TOO_LARGE
        elif header.begins_folded:
            self._refusal = HEADER_FOLDED
        elif header.from_count != 1 or not header.authors or not header.from_legible:
            self._refusal = ONE_FROM
        elif not submission.owned(self._account, header.authors):
            self._refusal = FROM_NOT_YOURS
        if self._refusal is not None:
            return None
        self._text = SubmissionText(
            submission.engine,
            submission.clock,
            arrival,
            header,
            hostname=submission.policy.settings.hostname,
            sent_id=submission.ids.next(),
        )
        return self._text.write(rest) if rest else None
