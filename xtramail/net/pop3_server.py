"""One POP3 connection on Twisted: bytes to the engine, events to the dialogue, answers back.

Owns the transport: timers, TLS, delays, backpressure. Owns no grammar (``wire/pop3``) and no answers
(``pop3_dialogue``). A message is read from the store only as fast as the client takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.interfaces import IAddress, IHandshakeListener, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.mailbox.fetch import StreamBroken
from xtramail.model.errors import LimitReached
from xtramail.model.peer import Peer
from xtramail.net.adapter import start
from xtramail.net.arrival import arrived, tls_text
from xtramail.net.deadline import Deadline
from xtramail.net.outbox import Outbox
from xtramail.net.pop3_dialogue import Pop3Dialogue
from xtramail.net.pop3_service import Pop3Service
from xtramail.net.reading import Reading
from xtramail.net.soon import Soon
from xtramail.telemetry import maillog
from xtramail.wire.pop3.events import Answered, Need
from xtramail.wire.pop3.replies import Code, Reply, err
from xtramail.wire.pop3.server import Pop3ServerConnection

T = TypeVar("T")


@implementer(IPushProducer, IHandshakeListener)
class Pop3ServerProtocol(Protocol):
    """Reads on only while nothing waits (``_held``); what the peer sends meanwhile is buffered, then not read."""

    transport: Any

    def __init__(self, service: Pop3Service) -> None:
        self._service = service
        self._reactor = service.collaborators.reactor
        self.connection = Pop3ServerConnection(service.config)
        self.peer = Peer(address="")
        self._dialogue = Pop3Dialogue(service, self)
        self._dialogue.hint = self._hinted
        self._hint = Soon(self._reactor, self._look)
        self._patience = Deadline(self._reactor, self._timed_out)
        self._login_deadline = Deadline(self._reactor, self._timed_out)
        self._closing = Deadline(self._reactor, self.cut)
        self._outbox = Outbox(lambda octets: self.transport.write(octets))
        self._stream: Iterator[bytes] | None = None
        self._streamed: Callable[[], None] = lambda: None
        self._waiting = False
        self._unread = False
        """The peer does not read: more than 64 KiB wait to be sent."""
        self._handshaking = False
        self._turn = Soon(self._reactor, self._pump)
        """Others have theirs; ours comes."""
        self._reading = Reading()
        self._pumping = False
        self._ended = False

    # Transport

    def connectionMade(self) -> None:
        service = self._service
        service.opened(self)
        self.peer = arrived(self.transport)
        self.transport.registerProducer(self, True)
        try:
            self._dialogue.ticket = service.collaborators.limits.admit(service.name, self.peer.address)
        except LimitReached as error:
            service.turned_away(self.peer, error.text)
            # Under TLS a farewell would cost us the handshake that the limit is there to save.
            self._handshaking = service.config.tls_active
            self.hang_up(err(error.text, Code.TEMPORARY))
            return
        self._login_deadline.set_in(service.times.login)
        if service.config.tls_active:
            self._begin_handshake()
        else:
            self._greet()

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self._moved()
        self.connection.feed(data)
        self._pump()

    def handshakeCompleted(self) -> None:
        if not self._handshaking or self._ended:
            return
        self._handshaking = False
        if self._dialogue.ticket is not None:
            self._dialogue.ticket.handshake_ended()
        self.peer = replace(self.peer, tls=tls_text(self.transport))
        self._moved()
        if self._service.config.tls_active:
            self._greet()
        else:
            self.connection.tls_started()
            self._pump()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._handshaking and not self._ended:
            self._service.handshake_failed(self.peer, reason.getErrorMessage())
        self._end("connection lost")
        for timer in (self._patience, self._login_deadline, self._closing):
            timer.stop()
        if self._dialogue.ticket is not None:
            self._dialogue.ticket.close()
        self._service.closed(self)

    def pauseProducing(self) -> None:
        """The transport: 64 KiB are unsent."""
        self._unread = True

    def resumeProducing(self) -> None:
        self._unread = False
        self._moved()
        self._pump()

    def stopProducing(self) -> None:
        """The transport: the connection is gone."""

    def drain(self) -> None:
        """Who has no session goes now; a session may come to its QUIT as long as it does not fall silent."""
        if self._dialogue.maildrop is None and not self._waiting:
            self.hang_up(err("This server is stopping; try again in a minute", Code.TEMPORARY))
        else:
            self._moved()

    def cut(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abortConnection()

    # The loop

    @property
    def _held(self) -> bool:
        return self._waiting or self._unread or self._handshaking or self._turn.asked or self._ended

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = self._outbox.gathering = True
        until = self._reactor.seconds() + self._service.times.turn
        try:
            while not self._held:
                if self._stream is not None:
                    self._next_piece(self._stream)
                elif not self._next_event():
                    break
                if self._reactor.seconds() >= until:
                    self._give_turn()
        except Exception:
            self._fault(None)
        finally:
            self._pumping = self._outbox.gathering = False
        self._outbox.flush()
        self._pace_reading()

    def _next_event(self) -> bool:
        """Whether there may be more to do now."""
        event = self.connection.next_event()
        if isinstance(event, Need):
            if event is Need.CLOSE:
                self._close(self.connection.close_reason)
            elif event is Need.TLS:
                self._start_tls()
            return False
        if isinstance(event, Answered):
            if event.delay:
                self.write_later(event.octets, event.delay)
            else:
                self.write(event.octets)
            return True
        self._dialogue.act(event)
        return True

    def _start_tls(self) -> None:
        self._outbox.flush()
        self._begin_handshake()
        self.transport.startTLS(self._service.collaborators.tls_context)

    def _next_piece(self, stream: Iterator[bytes]) -> None:
        try:
            piece = next(stream, None)
        except StreamBroken as error:
            # There is no way to say so inside a message.
            maillog.alarm(kind="body-lost", text=error.text)
            self.cut()
            self._end("a body could not be read to its end")
            return
        if piece is None:
            self._stream = None
            self._streamed()
        elif piece:
            self.write(piece)
        else:
            self._give_turn()

    def _give_turn(self) -> None:
        if not self._ended:
            self._turn.ask()

    def _pace_reading(self) -> None:
        if self._ended:
            return
        self._reading.pace(self.transport, too_much=self._held and self.connection.full)

    # What the dialogue asks for

    def write(self, octets: bytes) -> None:
        self._outbox.put(octets)

    def write_later(self, octets: bytes, delay: float) -> None:
        self._waiting = True
        self._reactor.callLater(delay, self._write_late, octets)

    def _write_late(self, octets: bytes) -> None:
        self._waiting = False
        if self._ended:
            return
        self.write(octets)
        self._moved()
        self._pump()

    def wait_for(
        self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None], *, on_error: Callable[[Exception], None]
    ) -> None:
        self._waiting = True

        def there(result: T) -> None:
            self._waiting = False
            if not self._ended:
                self._moved()
                then(result)

        def failed(failure: Failure) -> None:
            self._waiting = False
            if self._ended:
                return
            if not isinstance(failure.value, Exception):
                failure.raiseException()
            on_error(failure.value)

        waited = start(coroutine)
        waited.addCallbacks(there, failed)
        waited.addErrback(self._fault)
        waited.addCallback(lambda _: self._pump())

    def stream(self, pieces: Iterator[bytes], then: Callable[[], None]) -> None:
        self._stream, self._streamed = pieces, then

    def logged_in(self) -> None:
        self._login_deadline.clear()
        self._moved()
        # What it came by may have been revoked while its mailboxes were made, when nobody watched yet.
        self._hinted()

    def _fault(self, failure: Failure | None) -> None:
        """A bug of ours; without ``failure`` the exception being handled."""
        self._service.collaborators.metrics.bug("pop3")
        maillog.bug(where="pop3", peer=self.peer, failure=failure)
        self.hang_up(err("Internal error; it was logged", Code.TEMPORARY))

    # Without a command

    def _hinted(self) -> None:
        """Commits come in groups: one look for all of them, and never in the middle of our own work."""
        if not self._ended:
            self._hint.ask()

    def _look(self) -> None:
        try:
            self._dialogue.look()
        except Exception:
            self._fault(None)

    # Ends

    def _moved(self) -> None:
        """The peer has done something: its time runs anew. Before login nothing moves the deadline."""
        if not self._handshaking and not self._ended:
            self._patience.set_in(self._service.idle_seconds)

    def _timed_out(self) -> None:
        if self._ended:
            return
        if self._handshaking:
            self._service.handshake_failed(self.peer, "not finished in time")
            self._abort("no handshake")
        elif self._waiting and self._dialogue.maildrop is not None:
            # The wait is ours, not the client's.
            self._moved()
        elif self._unread:
            self._abort("does not read")
        else:
            # RFC 1939 §3: no UPDATE state, and no word.
            self._close("idle for too long")

    def _abort(self, reason: str) -> None:
        self.cut()
        self._end(reason)

    def _begin_handshake(self) -> None:
        self._handshaking = True
        self._patience.set_in(self._service.times.handshake)
        if self._dialogue.ticket is not None:
            self._reading.shake_in_turn(self.transport, self._dialogue.ticket)

    def _greet(self) -> None:
        self.write(self.connection.greeting())
        self._pump()

    def hang_up(self, reply: Reply) -> None:
        if self._ended:
            return
        if self._handshaking or self._stream is not None:
            # Before the handshake nobody would see it, and inside a message it would be read as mail.
            self._abort(reply.text)
            return
        self.write(self.connection.hang_up(reply))
        self._close(reply.text)

    def _close(self, reason: str) -> None:
        if self._ended:
            return
        self._outbox.flush()
        self._end(reason)
        self._closing.set_in(self._service.times.close)
        self._reading.resume(self.transport)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _end(self, reason: str) -> None:
        self._ended = True
        self._outbox.close()
        self._stream = None
        self._patience.clear()
        self._login_deadline.clear()
        self._hint.stop()
        self._dialogue.close(reason)


class Pop3Factory(Factory):
    """The connections of one service; wrap it in TLSMemoryBIOFactory where ``config.tls_active``."""

    noisy = False

    def __init__(self, service: Pop3Service) -> None:
        self.service = service

    def buildProtocol(self, addr: IAddress | None) -> Pop3ServerProtocol:
        return Pop3ServerProtocol(self.service)
