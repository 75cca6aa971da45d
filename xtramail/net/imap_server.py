"""One IMAP connection on Twisted: bytes to the engine, commands to the dialogue, answers back.

Owns the transport: timers, TLS, delays, backpressure. Owns no grammar (``wire/imap``) and no answers
(``imap_dialogue``). Everything runs from dataReceived to write in one go unless something really waits: a commit, a
login, a delay, a peer that does not read; long work gives the other connections their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar

from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.mailbox.fetch import StreamBroken
from xtramail.model.errors import LimitReached
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.net.adapter import set_going
from xtramail.net.arrival import arrived, tls_text
from xtramail.net.deadline import Deadline
from xtramail.net.imap_dialogue import ImapDialogue
from xtramail.net.imap_flow import Flow
from xtramail.net.imap_line import OnError
from xtramail.net.imap_service import ImapService
from xtramail.net.imap_watch import ImapWatch
from xtramail.net.reading import Reading
from xtramail.net.smtp_pace import TextPace
from xtramail.net.soon import Soon
from xtramail.telemetry import maillog
from xtramail.wire.imap.deflate import BrokenStream
from xtramail.wire.imap.events import Answered, Need
from xtramail.wire.imap.server import ImapServerConnection
from xtramail.wire.imap.states import State

T = TypeVar("T")

_INPUT = 64 * 1024
_ERRORS_BORNE = 10


@implementer(IPushProducer, IHandshakeListener)
class ImapServerProtocol(Protocol):
    """Reads on only while nothing waits (``_held``); what the peer sends meanwhile is buffered, then not read."""

    transport: Any

    def __init__(self, service: ImapService) -> None:
        self._service = service
        self._reactor = service.collaborators.reactor
        self.connection = ImapServerConnection(service.config)
        self.peer = Peer(address="")
        self._dialogue = ImapDialogue(service, self)
        times = service.times
        timers = service.timers
        self._watch = ImapWatch(
            self._reactor, timers, look=self._look, reassure=self._reassure, every=times.still_here
        )
        self._dialogue.hint = self._watch.hinted
        self._patience = Deadline(timers, self._timed_out)
        self._login_deadline = Deadline(timers, self._timed_out)
        self._closing = Deadline(timers, self.cut)
        self.pace = TextPace(grace=times.rate_grace, octets_per_second=times.rate_octets)
        self._flow = Flow(self.connection, lambda octets: self.transport.write(octets))
        self._outbox = self._flow.outbox
        self._stream: Iterator[bytes] | None = None
        self._streamed: Callable[[Exception | None], None] = lambda error: None
        self._waiting = False
        self._unread = False
        """The peer does not read: more than 64 KiB wait to be sent."""
        self._overlooked = False
        """Something changed while the peer did not read."""
        self._handshaking = False
        self._turn = Soon(self._reactor, self._pump)
        """Others have theirs; ours comes."""
        self._reading = Reading()
        self._pumping = False
        self._ended = False
        self._held_since = 0.0

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
            self.hang_up(error.text, b"LIMIT")
            return
        self._login_deadline.set_in(service.times.login)
        if service.config.tls_active:
            self._begin_handshake()
        else:
            self._greet()

    def dataReceived(self, data: bytes) -> None:
        if self._ended:
            return
        self.pace.arrived(len(data))
        self._moved()
        self._flow.feed(data)
        self._pump()

    def handshakeCompleted(self) -> None:
        if not self._handshaking or self._ended:
            return
        self._handshaking = False
        if self._dialogue.ticket is not None:
            self._dialogue.ticket.handshake_ended()
        self.peer = Peer(address=self.peer.address, port=self.peer.port, tls=tls_text(self.transport))
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
        for timer in (self._patience, self._login_deadline, self._closing, self._watch):
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
        if self._overlooked:
            self._watch.hinted()
        self._pump()

    def stopProducing(self) -> None:
        """The transport: the connection is gone."""

    def drain(self) -> None:
        """BYE now, or after the command that is under way."""
        if not self._under_way:
            self.hang_up("This server is stopping; try again in a minute", b"UNAVAILABLE")

    def cut(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abortConnection()

    # The loop

    @property
    def _held(self) -> bool:
        return self._waiting or self._unread or self._handshaking or self._turn.asked or self._ended

    @property
    def _under_way(self) -> bool:
        return self._waiting or self._stream is not None or self._dialogue.busy

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = self._outbox.gathering = True
        until = self._reactor.seconds() + self._service.times.turn
        try:
            while not self._held:
                if self._service.draining and not self._under_way:
                    self.drain()
                elif self._stream is not None:
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
            if event is Need.CLOSED:
                self._close("logged out")
            elif event is Need.TLS:
                self._start_tls()
            return event is Need.DATA and self._inflated()
        if isinstance(event, Answered):
            if self.connection.errors < _ERRORS_BORNE:
                self.write(event.octets)
            else:
                self.write_later(event.octets, self._service.times.error_delay)
            return True
        self._dialogue.act(event)
        if self.connection.idling:
            self._watch.idling()
            self._look()
        return True

    def _start_tls(self) -> None:
        self._outbox.flush()
        self._begin_handshake()
        self.transport.startTLS(self._service.collaborators.tls_context)

    def _inflated(self) -> bool:
        try:
            return self._flow.advance()
        except BrokenStream as error:
            self.hang_up(error.text)
            return False

    def _next_piece(self, stream: Iterator[bytes]) -> None:
        try:
            piece = next(stream)
        except StopIteration:
            self._stream = None
            self._streamed(None)
        except StreamBroken as error:
            maillog.alarm(kind="body-lost", text=error.text)
            self.cut()
            self._end("a body could not be read to its end")
        except Exception as error:
            self._stream = None
            self._streamed(error)
        else:
            if piece:
                self.write(piece)
            else:
                self._give_turn()

    def _give_turn(self) -> None:
        if not self._ended:
            self._turn.ask()

    def _pace_reading(self) -> None:
        if self._ended:
            return
        self._reading.pace(self.transport, too_much=self._held and self._flow.buffered > _INPUT)

    # What the dialogue asks for

    def write(self, octets: bytes) -> None:
        self._outbox.put(octets)

    def write_later(self, octets: bytes, delay: float) -> None:
        self._waiting = True
        self._reactor.callLater(delay, self._write_late, octets)

    def _write_late(self, octets: bytes) -> None:
        self.write(octets)
        self._release()

    def wait_for(self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None], *, on_error: OnError) -> None:
        self._waiting = True
        self._held_since = self._reactor.seconds()
        if self._dialogue.session is not None:
            # Before login nobody can be told that it takes its time.
            self._watch.working()
        set_going(self._waited_for(coroutine, then, on_error))

    async def _waited_for(
        self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None], on_error: OnError
    ) -> None:
        try:
            result = await coroutine
        except Exception as error:
            self._go_on(partial(on_error, error))
        else:
            self._go_on(partial(then, result))

    def _go_on(self, answer: Callable[[], None]) -> None:
        """What was waited for is there, or will not come."""
        self._waiting = False
        if not self._ended:
            # An answer and what follows it leave in one piece: the pump sends it.
            self._outbox.gathering = True
            try:
                answer()
            except Exception:
                self._fault(None)
        self._pump()

    def _fault(self, failure: Failure | None) -> None:
        """A bug of ours; without ``failure`` the exception being handled."""
        self._service.collaborators.metrics.bug("imap")
        maillog.bug(where="imap", peer=self.peer, failure=failure)
        self.hang_up("Internal error; it was logged", b"SERVERBUG")

    def hold_for(self, pending: Pending[None]) -> None:
        self._waiting = True
        self._held_since = self._reactor.seconds()
        pending.when_done(lambda _: self._release())

    def _release(self) -> None:
        self._waiting = False
        if self._ended:
            return
        if self.pace.reading:
            self.pace.held_up(self._reactor.seconds() - self._held_since)
        self._moved()
        self._pump()

    def stream(self, pieces: Iterator[bytes], then: Callable[[Exception | None], None]) -> None:
        self._stream, self._streamed = pieces, then

    def compress(self) -> None:
        self._flow.compress()

    def logged_in(self) -> None:
        self._login_deadline.clear()
        self._moved()

    # Without a command

    def _look(self) -> None:
        try:
            self._overlooked = self._unread
            if self._unread:
                # Who does not read is told nothing, but a login that has ended ends.
                session = self._dialogue.session
                if session is not None and not session.still_valid():
                    self.cut()
            elif self._dialogue.look() and self._flow.compressed:
                self._watch.told_deflated()
        except Exception:
            self._fault(None)

    def _reassure(self) -> None:
        if self._ended:
            return
        sign = self._dialogue.sign_of_life()
        if self.connection.idling:
            self._watch.idling()
        elif self._waiting and sign:
            self._watch.working()
        else:
            return
        self.write(sign if not self._unread else b"")

    # Ends

    def _moved(self) -> None:
        """The peer has done something: its time runs anew. Before login nothing moves the deadline."""
        if self._handshaking or self._ended:
            return
        idle = self._service.times.idle
        left = self.pace.left(self._reactor.seconds()) if self.pace.reading else None
        self._patience.set_in(idle if left is None else min(left, idle))

    def _timed_out(self) -> None:
        if self._ended:
            return
        if self._handshaking:
            self._service.handshake_failed(self.peer, "not finished in time")
            self.cut()
        elif self._waiting and not self._dialogue.busy and self.connection.state is not State.NOT_AUTHENTICATED:
            # The wait is ours, not the client's.
            self._patience.set_in(self._service.times.idle)
        else:
            self.hang_up("Autologout; idle for too long")

    def _begin_handshake(self) -> None:
        self._handshaking = True
        self._patience.set_in(self._service.times.handshake)
        if self._dialogue.ticket is not None:
            self._reading.shake_in_turn(self.transport, self._dialogue.ticket)

    def _greet(self) -> None:
        self.write(self.connection.greeting())
        self._pump()

    def hang_up(self, text: str, code: bytes = b"") -> None:
        if self._ended:
            return
        if self._handshaking or self._stream is not None:
            # Before the handshake nobody would see it, and inside a literal it would be read as mail.
            self.cut()
            self._end(text)
            return
        self.write(self.connection.close(text, code))
        self._close(text)

    def _close(self, reason: str) -> None:
        if self._ended:
            return
        self._outbox.flush()
        self._end(reason)
        self._closing.set_in(self._service.closing_seconds)
        self._reading.resume(self.transport)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _end(self, reason: str) -> None:
        self._ended = True
        self._outbox.close()
        self._stream = None
        self._patience.clear()
        self._login_deadline.clear()
        self._watch.stop()
        self._dialogue.close(reason)
