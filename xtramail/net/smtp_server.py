"""One SMTP connection on Twisted: bytes to the engine, events to the mail transaction, answers back.

Owns the transport: timers, TLS, delays, backpressure. Owns no grammar (``wire/smtp/server``) and no policy
(``delivery``). Everything runs from dataReceived to write in one go unless something really waits: the commit, a login,
a question to the primary, a delay, a peer that does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHandshakeListener, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.delivery.transaction import MailTransaction
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import LimitReached
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer, plain_address
from xtramail.net.adapter import start
from xtramail.net.deadline import Deadline
from xtramail.net.limits import Ticket
from xtramail.net.smtp_login import LOGGED_IN, LOGGED_OUT, LoginDelays, attempt
from xtramail.net.smtp_pace import TextPace
from xtramail.net.smtp_service import SmtpCollaborators, SmtpService, SmtpTimes
from xtramail.store.records import Account
from xtramail.telemetry import crashpoint
from xtramail.wire.smtp import events
from xtramail.wire.smtp.events import Need
from xtramail.wire.smtp.server import SmtpServerConfig, SmtpServerConnection

T = TypeVar("T")

TIMED_OUT = Reply.of(421, "4.4.2", "timeout, closing")
TOO_SLOW = Reply.of(421, "4.4.2", "too slow, closing")
STOPPING = Reply.of(421, "4.3.2", "this server is stopping, try again in a minute")
FAULT = Reply.of(421, "4.3.0", "server fault, try again later")


@implementer(IPushProducer, IHandshakeListener)
class SmtpServerProtocol(Protocol):
    """Parses on only while nothing waits (``_held``); what the peer sends meanwhile is buffered, then not read."""

    transport: Any

    def __init__(self, service: SmtpService) -> None:
        self._service = service
        self._connection = SmtpServerConnection(service.config)
        self._reactor = service.collaborators.reactor
        self._log = service.collaborators.log
        self._peer = Peer(address="")
        self._ticket: Ticket | None = None
        self._account: Account | None = None
        self._unwatch: Callable[[], None] | None = None
        self._transaction: MailTransaction | None = None
        self._sender: Address | None = None
        self._patience = Deadline(self._reactor, self._timed_out)
        self._login_deadline = Deadline(self._reactor, self._timed_out)
        self._closing = Deadline(self._reactor, self.cut)
        self._waiting = False
        self._unread = False
        """The peer does not read: more than 64 KiB wait to be sent."""
        self._paused = False
        self._pumping = False
        self._ended = False
        self._handshaking = False
        self._held_since = 0.0
        times = service.times
        self._pace = TextPace(grace=times.rate_grace, octets_per_second=times.rate_octets)
        self._login_delays = LoginDelays(times.failed_login)

    # Transport.

    def connectionMade(self) -> None:
        service = self._service
        service.opened(self)
        self._log.opened(service.name)
        if ITCPTransport.providedBy(self.transport):
            # A reply is complete when it is written: waiting for more of it only adds round trips.
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        peer = self.transport.getPeer()
        self._peer = Peer(address=plain_address(getattr(peer, "host", "")), port=getattr(peer, "port", 0))
        self.transport.registerProducer(self, True)
        try:
            self._ticket = service.collaborators.limits.admit(service.name, self._peer.address)
            if service.config.tls_active:
                self._begin_handshake()
        except LimitReached as error:
            self._log.turned_away(service.name, self._peer, error.text)
            self._hang_up(Reply.of(421, "4.7.0", error.text))
            return
        if service.wants_login:
            self._login_deadline.set_in(service.times.login)
        if not self._handshaking:
            self._pump()

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        if self._pace.reading:
            self._pace.arrived(len(data))
            if not self._held:
                self._moved()
        self._connection.feed(data)
        self._pump()

    def handshakeCompleted(self) -> None:
        if not self._handshaking or self._ended:
            return
        self._handshaking = False
        if self._ticket is not None:
            self._ticket.handshake_ended()
        handle = self.transport.getHandle()
        self._peer = replace(self._peer, tls=f"{handle.get_protocol_version_name()} {handle.get_cipher_name()}")
        if not self._service.config.tls_active:
            self._connection.tls_started()
            self._peer = replace(self._peer, helo="", esmtp=False)
        self._release()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._handshaking and not self._ended:
            self._log.handshake_failed(self._service.name, self._peer, reason.getErrorMessage())
        self._ended = True
        self._drop_transaction()
        for deadline in (self._patience, self._login_deadline, self._closing):
            deadline.stop()
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._ticket is not None:
            self._ticket.close()
        self._log.closed(self._service.name)
        self._service.closed(self)

    def pauseProducing(self) -> None:
        """The transport: 64 KiB are unsent. A peer that floods us with commands and does not read gets no more."""
        self._unread = True

    def resumeProducing(self) -> None:
        self._unread = False
        self._pump()

    def stopProducing(self) -> None:
        self._unread = False

    def drain(self) -> None:
        """421 now, or after the message that is just being sent."""
        if self._transaction is None and not self._waiting:
            self._hang_up(STOPPING)

    def cut(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abortConnection()

    # The loop.

    @property
    def _held(self) -> bool:
        return self._waiting or self._unread or self._handshaking or self._ended

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while not self._held:
                event = self._connection.next_event()
                if isinstance(event, Need):
                    self._need(event)
                    break
                self._act(event)
        except Exception:
            self._log.bug(self._peer)
            self._hang_up(FAULT)
        finally:
            self._pumping = False
        self._pace_reading()

    def _pace_reading(self) -> None:
        if self._ended:
            return
        wanted = self._held and self._connection.full
        if wanted and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
        elif self._paused and not wanted:
            self._paused = False
            self.transport.resumeProducing()

    def _need(self, need: Need) -> None:
        if need is Need.TLS:
            self._begin_handshake()
            self.transport.startTLS(self._service.collaborators.tls_context)
        elif need is Need.CLOSE:
            self._close()

    def _act(self, event: events.Event) -> None:
        match event:
            case events.DataChunk(octets=octets):
                self._chunk(octets)
            case events.Answered(octets=octets, delay=delay):
                self._moved()
                self._write(octets, delay)
            case events.MailFrom(path=path):
                self._mail(path)
            case events.RcptTo(path=path):
                self._recipient(path)
            case events.DataStart():
                self._pace.begin(self._reactor.seconds())
                self._answer(self._connection.usual_reply(event))
            case events.DataEnd():
                self._commit()
            case events.DataRefused(reply=reply, octets=octets, delay=delay):
                self._refused(reply)
                self._write(octets, delay)
            case events.Auth():
                self._log_in(event)
            case events.Hello(name=name, extended=extended):
                self._drop_transaction()
                self._peer = replace(self._peer, helo=name, esmtp=extended)
                self._answer(self._connection.usual_reply(event))
            case events.Reset() | events.Quit():
                self._drop_transaction()
                self._answer(self._connection.usual_reply(event))
            case events.Connected():
                self._answer(STOPPING if self._service.draining else self._connection.usual_reply(event))
            case events.StartTls() | events.AuthAborted():
                self._answer(self._connection.usual_reply(event))

    # Answers.

    def _answer(self, reply: Reply) -> None:
        octets = self._connection.send(reply)
        self._moved()
        self._write(octets, self._connection.delay)

    def _write(self, octets: bytes, delay: float) -> None:
        if delay <= 0:
            self.transport.write(octets)
            return
        self._waiting = True
        self._reactor.callLater(delay, self._write_late, octets)

    def _write_late(self, octets: bytes) -> None:
        if self._ended:
            return
        self.transport.write(octets)
        self._release()

    def _release(self) -> None:
        """What was waited for is there."""
        self._waiting = False
        if self._ended:
            return
        self._pace.held_up(self._reactor.seconds() - self._held_since)
        self._moved()
        self._pump()

    def _wait_for(self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        """Parse on only after ``then(result)``; what goes wrong unexpectedly is answered 451."""
        self._waiting = True
        self._held_since = self._reactor.seconds()
        self._patience.clear()
        waited: Deferred[T] = start(coroutine)
        waited.addCallbacks(lambda result: self._there(then, result), self._failed)
        waited.addErrback(self._failed)

    def _there(self, then: Callable[[T], None], result: T) -> None:
        if self._ended:
            return
        self._waiting = False
        then(result)
        if not self._waiting:
            self._release()

    def _failed(self, failure: Failure) -> None:
        self._log.bug(self._peer, failure)
        if self._ended:
            return
        self._drop_transaction()
        self._hang_up(FAULT)

    # Mail.

    def _mail(self, path: ReversePath) -> None:
        if self._service.draining:
            self._answer(STOPPING)
            return
        transaction = self._service.collaborators.begin(self._peer, self._account)
        reply = transaction.mail_from(path)
        if reply.positive:
            self._transaction = transaction
            self._sender = path.address
        self._answer(reply)

    def _recipient(self, path: ForwardPath) -> None:
        assert self._transaction is not None
        answer = self._transaction.rcpt_to(path)
        if isinstance(answer, Reply):
            self._recipient_judged(path, answer)
        else:
            self._wait_for(answer, lambda reply: self._recipient_judged(path, reply))

    def _recipient_judged(self, path: ForwardPath, reply: Reply) -> None:
        if not reply.positive:
            self._log.recipient_refused(
                self._service.name, self._peer, sender=self._sender, recipient=path.address, reply=reply
            )
        self._answer(reply)

    def _chunk(self, octets: bytes) -> None:
        assert self._transaction is not None
        pause = self._transaction.chunk(octets)
        if pause is None or pause.done:
            return
        self._waiting = True
        self._held_since = self._reactor.seconds()
        self._patience.clear()
        pause.when_done(lambda _: self._release())

    def _commit(self) -> None:
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        self._pace.end()
        self._wait_for(transaction.commit(), self._committed)

    def _committed(self, reply: Reply) -> None:
        if reply.positive:
            crashpoint.reach("intake.before-reply")
        self._answer(reply)
        if self._service.draining:
            self._hang_up(STOPPING)

    def _refused(self, reply: Reply) -> None:
        if self._transaction is not None:
            self._log.text_refused(
                self._service.name, self._peer, message_id=self._transaction.message_id, reply=reply
            )
        self._drop_transaction()
        self._moved()

    def _drop_transaction(self) -> None:
        transaction, self._transaction = self._transaction, None
        self._pace.end()
        if transaction is not None:
            transaction.abort()

    # Login.

    def _log_in(self, event: events.Auth) -> None:
        login = self._service.collaborators.login
        assert login is not None, "a submission service is built with a login"
        began = self._reactor.seconds()
        self._wait_for(attempt(login, event, self._peer), lambda outcome: self._checked(outcome, event, began))

    def _checked(self, outcome: Account | Reply, event: events.Auth, began: float) -> None:
        if isinstance(outcome, Reply):
            self._log.login_failed(self._service.name, busy=outcome.transient)
            octets = self._connection.send(outcome)
            delay = self._login_delays.before(outcome, spent=self._reactor.seconds() - began)
            self._write(octets, max(delay, self._connection.delay))
            return
        try:
            if self._ticket is not None:
                self._ticket.logged_in(outcome.id)
        except LimitReached as error:
            self._answer(Reply.of(421, "4.7.0", error.text))
            return
        self._account = outcome
        self._login_deadline.stop()
        watch = self._service.collaborators.watch_account
        if watch is not None:
            self._unwatch = watch(outcome, self._revoked)
        self._log.logged_in(self._service.name, self._peer, account=outcome.address, mechanism=event.mechanism)
        self._answer(LOGGED_IN)

    def _revoked(self) -> None:
        """Password changed or account disabled: what it may do ends now, not with the connection."""
        if not self._ended:
            self._hang_up(LOGGED_OUT)

    # Ends.

    def _moved(self) -> None:
        """The peer has done something: its time runs anew."""
        times = self._service.times
        if self._pace.reading:
            left = self._pace.left(self._reactor.seconds())
            self._patience.set_in(times.command if left is None else min(left, times.command))
            return
        stressed = self._service.collaborators.limits.stressed(self._service.name)
        self._patience.set_in(times.stress if stressed else times.command)

    def _timed_out(self) -> None:
        if self._ended:
            return
        if self._handshaking:
            self.cut()
        else:
            self._hang_up(TOO_SLOW if self._pace.reading else TIMED_OUT)

    def _begin_handshake(self) -> None:
        self._handshaking = True
        if self._ticket is not None:
            self._ticket.handshake_began()
        self._patience.set_in(self._service.times.handshake)

    def _hang_up(self, reply: Reply) -> None:
        if self._ended:
            return
        if self._handshaking:
            self.cut()
            return
        self._drop_transaction()
        self.transport.write(self._connection.hang_up(reply))
        self._close()

    def _close(self) -> None:
        self._ended = True
        self._drop_transaction()
        self._patience.clear()
        self._login_deadline.clear()
        self._closing.set_in(self._service.times.close)
        if self._paused:
            # A transport that does not read does not notice that the peer is gone.
            self._paused = False
            self.transport.resumeProducing()
        self.transport.unregisterProducer()
        self.transport.loseConnection()


class SmtpFactory(Factory):
    """The connections of one service."""

    noisy = False

    def __init__(self, service: SmtpService) -> None:
        self.service = service

    def buildProtocol(self, addr: IAddress | None) -> SmtpServerProtocol:
        return SmtpServerProtocol(self.service)


__all__ = ["SmtpCollaborators", "SmtpFactory", "SmtpServerConfig", "SmtpServerProtocol", "SmtpService", "SmtpTimes"]
