"""One SMTP connection on Twisted: bytes to the engine, events to the dialogue, answers back.

Owns the transport: TLS, delays, backpressure, closing. Owns no grammar (``wire/smtp/server``) and no policy
(``delivery``). Everything runs from dataReceived to write in one go unless something really waits: the commit, a login,
a question to the primary, a delay, a peer that does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHandshakeListener, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.model.errors import LimitReached
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.net.adapter import start
from xtramail.net.arrival import arrived, certificate_shown, tls_text
from xtramail.net.limits import Ticket
from xtramail.net.reading import Reading
from xtramail.net.smtp_dialogue import STOPPING, SmtpDialogue
from xtramail.net.smtp_login import LOGGED_IN, LOGGED_OUT
from xtramail.net.smtp_patience import Late, SmtpPatience
from xtramail.net.smtp_service import SmtpService
from xtramail.wire.smtp import events
from xtramail.wire.smtp.events import Need
from xtramail.wire.smtp.server import SmtpServerConnection

T = TypeVar("T")

TIMED_OUT = Reply.of(421, "4.4.2", "timeout, closing")
TOO_SLOW = Reply.of(421, "4.4.2", "too slow, closing")
FAULT = Reply.of(421, "4.3.0", "server fault, try again later")


@implementer(IPushProducer, IHandshakeListener)
class SmtpServerProtocol(Protocol):
    """Parses on only while nothing waits (``_held``); what the peer sends meanwhile is buffered, then not read."""

    transport: Any
    _ticket: Ticket

    def __init__(self, service: SmtpService) -> None:
        self._service = service
        self._connection = SmtpServerConnection(service.config)
        self._reactor = service.collaborators.reactor
        self._log = service.collaborators.log
        self._dialogue = SmtpDialogue(service, Peer(address=""), revoked=self._revoked)
        self._patience = SmtpPatience(
            self._reactor,
            service.times,
            stressed=lambda: service.collaborators.limits.stressed(service.name),
            late=self._late,
        )
        self._admitted = False
        self._delayed: Any = None
        """The reactor's call that will write a delayed answer."""
        self._waiting = False
        self._logged_out = False
        """The login ended while an answer was being made."""
        self._unread = False
        """The peer does not read: more than 64 KiB wait to be sent."""
        self._handshaking = False
        self._reading = Reading()
        self._pumping = False
        self._ended = False

    # The transport.

    def connectionMade(self) -> None:
        service = self._service
        service.opened(self)
        peer = arrived(self.transport)
        self._dialogue.peer = peer
        self.transport.registerProducer(self, True)
        try:
            self._ticket = service.collaborators.limits.admit(service.name, peer.address)
            self._admitted = True
        except LimitReached as error:
            self._turn_away(error)
            return
        if service.wants_login:
            self._patience.login_wanted()
            self._trust()
        if service.config.tls_active:
            self._begin_handshake()
        else:
            self._pump()

    def dataReceived(self, data: bytes) -> None:
        if not self._ended:
            self._patience.text_arrived(len(data))
            self._connection.feed(data)
            self._pump()

    def handshakeCompleted(self) -> None:
        if not self._handshaking or self._ended:
            return
        self._handshaking = False
        self._ticket.handshake_ended()
        self._dialogue.tls_started(tls_text(self.transport), certificate_shown(self.transport))
        if not self._service.config.tls_active:
            self._connection.tls_started()
        self._trust()
        self._release()

    def _trust(self) -> None:
        """Whom its address or certificate lets send does not have to log in."""
        if self._service.wants_login and self._service.collaborators.needs_no_login(self._dialogue.peer):
            self._connection.trust()
            self._patience.login_done()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._handshaking and not self._ended:
            self._service.handshake_failed(self._dialogue.peer, reason.getErrorMessage())
        self._ended = True
        self._dialogue.end()
        self._patience.stop()
        if self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None
        if self._admitted:
            self._ticket.close()
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
        if not self._dialogue.in_transaction and not self._held:
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
            if self._service.draining:
                self.drain()
        except Exception:
            self._log.bug(self._dialogue.peer)
            self._hang_up(FAULT)
        finally:
            self._pumping = False
        self._pace_reading()

    def _pace_reading(self) -> None:
        if self._ended:
            return
        self._reading.pace(self.transport, too_much=self._held and self._connection.full)

    def _need(self, need: Need) -> None:
        if need is Need.CLOSE:
            self._close()
        elif need is Need.TLS:
            self._begin_handshake()
            self.transport.startTLS(self._service.collaborators.tls_context)

    def _act(self, event: events.Event) -> None:
        dialogue = self._dialogue
        match event:
            case events.DataChunk(octets=octets):
                self._chunk(octets)
            case events.Answered(octets=octets, delay=delay):
                self._patience.moved()
                self._write(octets, delay)
            case events.MailFrom(path=path):
                self._answer(dialogue.mail(path))
            case events.RcptTo(path=path):
                reply = dialogue.recipient(path)
                if isinstance(reply, Reply):
                    self._answer(reply)
                else:
                    self._wait_for(reply, self._answer)
            case events.DataStart():
                self._patience.text_begins()
                self._answer(self._connection.usual_reply(event))
            case events.DataEnd():
                self._patience.text_ends()
                self._wait_for(dialogue.commit(), self._answer_each)
            case events.DataRefused(reply=refusal, octets=octets, delay=delay):
                self._patience.text_ends()
                self._patience.moved()
                dialogue.text_refused(refusal)
                self._write(octets, delay)
            case events.Auth():
                self._wait_for(dialogue.log_in(event, self._ticket), self._logged_in)
            case events.Hello(name=name, extended=extended):
                dialogue.hello(name, extended=extended)
                self._answer(self._connection.usual_reply(event))
            case events.Reset() | events.Quit():
                dialogue.drop()
                self._answer(self._connection.usual_reply(event))
            case events.Connected():
                self._answer(STOPPING if self._service.draining else self._connection.usual_reply(event))
            case events.StartTls() | events.AuthAborted():
                self._answer(self._connection.usual_reply(event))

    # Answers.

    def _answer(self, reply: Reply, delay: float = 0.0) -> None:
        octets = self._connection.send(reply)
        self._patience.moved()
        self._write(octets, max(delay, self._connection.delay))

    def _answer_each(self, replies: tuple[Reply, ...]) -> None:
        octets = self._connection.send_each(replies)
        self._patience.moved()
        self._write(octets, self._connection.delay)

    def _logged_in(self, answer: tuple[Reply, float]) -> None:
        reply, delay = answer
        if reply is LOGGED_IN:
            self._patience.login_done()
        self._answer(reply, delay)

    def _write(self, octets: bytes, delay: float) -> None:
        if delay <= 0:
            self.transport.write(octets)
            return
        self._waiting = True
        self._delayed = self._reactor.callLater(delay, self._write_late, octets)

    def _write_late(self, octets: bytes) -> None:
        self._delayed = None
        if not self._ended:
            self.transport.write(octets)
            self._release()

    def _chunk(self, octets: bytes) -> None:
        pause = self._dialogue.chunk(octets)
        if pause is not None and not pause.done:
            self._waiting = True
            self._patience.held()
            pause.when_done(lambda _: self._release())

    def _wait_for(self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        """Parse on only after ``then(result)``; what nobody expected ends the connection."""
        self._waiting = True
        self._patience.held()
        waited: Deferred[T] = start(coroutine)
        waited.addCallback(self._there, then)
        waited.addErrback(self._failed)

    def _there(self, result: T, then: Callable[[T], None]) -> None:
        if self._ended:
            return
        self._waiting = False
        then(result)
        if not self._waiting:
            self._release()

    def _failed(self, failure: Failure) -> None:
        self._log.bug(self._dialogue.peer, failure)
        self._hang_up(FAULT)

    def _release(self) -> None:
        """What was waited for is there."""
        self._waiting = False
        if self._ended:
            return
        self._patience.released()
        if self._logged_out:
            self._hang_up(LOGGED_OUT)
        else:
            self._pump()

    # Ends.

    def _revoked(self) -> None:
        """The login is no longer valid: it ends now, or behind the answer that is just being made."""
        self._logged_out = True
        if not self._waiting:
            self._hang_up(LOGGED_OUT)

    def _late(self, what: Late) -> None:
        match what:
            case Late.HANDSHAKE | Late.CLOSE:
                self.cut()
            case Late.TEXT:
                self._hang_up(TOO_SLOW)
            case Late.COMMAND | Late.LOGIN:
                self._hang_up(TIMED_OUT)

    def _begin_handshake(self) -> None:
        self._handshaking = True
        self._patience.handshake_begins()
        self._reading.shake_in_turn(self.transport, self._ticket)

    def _turn_away(self, error: LimitReached) -> None:
        self._service.turned_away(self._dialogue.peer, error.text)
        # A handshake only to say no is what an attacker would like.
        if self._service.config.tls_active:
            self._ended = True
            self.cut()
        else:
            self._hang_up(Reply.of(421, "4.7.0", error.text))

    def _hang_up(self, reply: Reply) -> None:
        if self._ended:
            return
        if self._handshaking:
            self.cut()
            return
        self.transport.write(self._connection.hang_up(reply))
        self._close()

    def _close(self) -> None:
        self._ended = True
        self._dialogue.drop()
        self._patience.closing()
        self._reading.resume(self.transport)
        self.transport.unregisterProducer()
        self.transport.loseConnection()


class SmtpFactory(Factory):
    """The connections of one service."""

    noisy = False

    def __init__(self, service: SmtpService) -> None:
        self.service = service

    def buildProtocol(self, addr: IAddress | None) -> SmtpServerProtocol:
        return SmtpServerProtocol(self.service)
