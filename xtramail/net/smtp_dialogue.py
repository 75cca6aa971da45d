"""Who speaks on one SMTP connection, and the mail transaction that is open: what each event means to ``delivery``.

Owns peer, account and transaction of a connection, and tells the log. Owns no bytes and no transport: ``smtp_server``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from xtramail.delivery.transaction import AnswersEach, MailTransaction
from xtramail.model.address import Address
from xtramail.model.certificate import ClientCertificate
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import LimitReached
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.net.limits import Ticket
from xtramail.net.login_delays import LoginDelays
from xtramail.net.smtp_login import LOGGED_IN, attempt
from xtramail.net.smtp_service import SmtpService
from xtramail.store.records import Account
from xtramail.telemetry.crashpoint import reach
from xtramail.wire.smtp.events import Auth

STOPPING = Reply.of(421, "4.3.2", "this server is stopping, try again in a minute")


class SmtpDialogue:
    """Replies come back at once, or as coroutines where something really waits."""

    def __init__(self, service: SmtpService, peer: Peer, *, revoked: Callable[[], None]) -> None:
        """``revoked()`` is called when the login is no longer valid."""
        self._service = service
        self._log = service.collaborators.log
        self._revoked = revoked
        self._account: Account | None = None
        self._unwatch: Callable[[], None] | None = None
        self._transaction: MailTransaction | None = None
        self._sender: Address | None = None
        self._taken: list[Address] = []
        """Recipients of the open transaction."""
        self._delays = LoginDelays(service.times.failed_login)
        self.peer = peer

    @property
    def in_transaction(self) -> bool:
        return self._transaction is not None

    def tls_started(self, tls: str, certificate: ClientCertificate | None) -> None:
        """What the peer said before is forgotten (RFC 3207 §4.2)."""
        self.peer = replace(self.peer, tls=tls, certificate=certificate, helo="", esmtp=False)

    def hello(self, name: str, *, extended: bool) -> None:
        self.drop()
        self.peer = replace(self.peer, helo=name, esmtp=extended)

    def mail(self, path: ReversePath) -> Reply:
        if self._service.draining:
            return STOPPING
        transaction = self._service.collaborators.begin(self.peer, self._account)
        reply = transaction.mail_from(path)
        if reply.positive:
            self._transaction = transaction
            self._sender = path.address
            self._taken = []
        else:
            self._log.sender_refused(
                self._service.name, self.peer, message_id=transaction.message_id, sender=path.address, reply=reply
            )
        return reply

    def recipient(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        assert self._transaction is not None, "the engine lets RCPT pass only after MAIL"
        answer = self._transaction.rcpt_to(path)
        message_id = self._transaction.message_id
        if isinstance(answer, Reply):
            return self._judged(message_id, path, answer)
        return self._judged_later(message_id, path, answer)

    def chunk(self, octets: bytes) -> Pending[None] | None:
        assert self._transaction is not None, "the engine lets DATA pass only after RCPT"
        return self._transaction.chunk(octets)

    async def commit(self) -> tuple[Reply, ...]:
        """One answer; of LMTP one for each recipient that was taken."""
        transaction, self._transaction = self._transaction, None
        assert transaction is not None, "the engine ends only a text that it began"
        reply = await transaction.commit()
        if reply.positive:
            reach("intake.before-reply")
        return transaction.answers if isinstance(transaction, AnswersEach) else (reply,)

    def text_refused(self, reply: Reply) -> None:
        """The engine refused what came as text."""
        if self._transaction is not None:
            self._log.text_refused(
                self._service.name,
                self.peer,
                message_id=self._transaction.message_id,
                sender=self._sender,
                recipients=self._taken,
                reply=reply,
            )
        self.drop()

    def drop(self) -> None:
        """The open transaction is void."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.abort()

    async def log_in(self, event: Auth, ticket: Ticket) -> tuple[Reply, float]:
        """The reply to AUTH, and how many seconds later it is to be sent."""
        collaborators = self._service.collaborators
        assert collaborators.login is not None, "a submission service is built with a login"
        outcome = await attempt(collaborators.login, event, self.peer, self._delays, collaborators.reactor.seconds)
        if isinstance(outcome, tuple):
            self._log.login_failed(self._service.name, busy=outcome[0].transient)
            return outcome
        try:
            ticket.logged_in(outcome.id)
        except LimitReached as error:
            return Reply.of(421, "4.7.0", error.text), 0.0
        self._account = outcome
        if collaborators.watch_account is not None:
            self._unwatch = collaborators.watch_account(outcome, self._revoked)
        self._log.logged_in(self._service.name, self.peer, account=outcome.address, mechanism=event.mechanism)
        return LOGGED_IN, 0.0

    def end(self) -> None:
        """The connection is gone."""
        self.drop()
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def _judged(self, message_id: MessageId, path: ForwardPath, reply: Reply) -> Reply:
        if reply.positive:
            self._taken.append(path.address)
        else:
            self._log.recipient_refused(
                self._service.name,
                self.peer,
                message_id=message_id,
                sender=self._sender,
                recipient=path.address,
                reply=reply,
            )
        return reply

    async def _judged_later(
        self, message_id: MessageId, path: ForwardPath, answer: Coroutine[Any, Any, Reply]
    ) -> Reply:
        return self._judged(message_id, path, await answer)
