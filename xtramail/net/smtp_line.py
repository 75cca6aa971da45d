"""One SMTP connection to a host, as a line of events: bytes and deadlines here, the dialogue in ``wire/smtp/client``.

Owns the transport of a relay connection: connecting, TLS, waiting for the next event with a deadline, and backpressure.
Owns no order of commands: that is ``smtp_client``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHandshakeListener,
    IPushProducer,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from xtramail.net.tls_client import ClientTls
from xtramail.wire.errors import MisuseError, ProtocolError
from xtramail.wire.smtp.client import SmtpClientConnection
from xtramail.wire.smtp.client_config import SmtpClientConfig
from xtramail.wire.smtp.client_events import ClientEvent, Send, Stage
from xtramail.wire.smtp.events import Need

LINGER = 10.0
"""Seconds for a goodbye."""


class LineLost(Exception):
    """The connection is gone, or never came: says why."""

    @property
    def text(self) -> str:
        return str(self.args[0])


@implementer(IPushProducer, IHandshakeListener)
class SmtpLine(Protocol):
    """``event`` waits for the next thing that the other side says; ``write`` and ``drained`` send."""

    transport: Any

    def __init__(self, reactor: Any, config: SmtpClientConfig, wait: Callable[[Stage], float]) -> None:
        """``wait``: seconds for one whole reply that belongs to a stage."""
        self._reactor = reactor
        self._wait = wait
        self.engine = SmtpClientConnection(config)
        self.alive = True
        self.wants_tls = False
        self.tls = ""
        self.fault = ""
        """Why it is gone; empty while it is alive."""
        self._events: deque[ClientEvent] = deque()
        self._waiting: Deferred[None] | None = None
        self._progress = self.engine.progress
        self._timer: Any = None
        self._linger: Any = None
        self._paused = False
        self._drained: Deferred[None] | None = None
        self._handshake: Deferred[None] | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        if ITCPTransport.providedBy(self.transport):
            # The end of a message would wait for the other side to acknowledge its beginning: 40 ms, each time.
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self.engine.feed(data)
        self._pump()
        # A whole reply moves the deadline, octets do not: a host may take its time for each of a hundred recipients.
        if self._timer is not None and self.engine.progress != self._progress:
            self._stop_timer()
            self._start_timer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._linger is not None:
            _stop(self._linger)
        self._gone(_reason_text(reason))

    def handshakeCompleted(self) -> None:
        waiting, self._handshake = self._handshake, None
        if waiting is not None:
            waiting.callback(None)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        waiting, self._drained = self._drained, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        self.resumeProducing()

    def write(self, octets: bytes) -> None:
        """Lost silently when the connection is gone: the next ``event`` tells."""
        if self.alive and octets and self.transport is not None:
            self.transport.write(octets)

    async def event(self) -> ClientEvent | Need:
        """The next event, or Need.TLS; LineLost when there is none in time or the connection is gone.

        What was under way when the connection went ends with ``Finished`` first.
        """
        # What the engine decided by itself stands there already, and no octet will come for it.
        self._pump()
        while not self._events:
            if self.wants_tls:
                return Need.TLS
            if not self.alive:
                raise LineLost(self.fault)
            self._waiting = Deferred()
            self._start_timer()
            try:
                await self._waiting
            finally:
                self._stop_timer()
        return self._events.popleft()

    async def drained(self, timeout: float) -> None:
        """Until the transport has taken enough of what was written to want more."""
        if not self._paused or not self.alive:
            return
        self._drained = Deferred()
        timer = self._reactor.callLater(timeout, self.drop, f"nothing taken in {timeout:g} s")
        try:
            await self._drained
        finally:
            _stop(timer)

    async def start_tls(self, creator: ClientTls, timeout: float) -> None:
        """After Need.TLS (``wants_tls``): LineLost when the handshake fails, with its reason."""
        assert self.transport is not None
        self.wants_tls = False
        self._handshake = Deferred()
        timer = self._reactor.callLater(timeout, self.drop, f"TLS handshake not done in {timeout:g} s")
        try:
            self.transport.unregisterProducer()
            self.transport.startTLS(creator)
            self.transport.registerProducer(self, True)
            await self._handshake
        finally:
            _stop(timer)
        if not self.alive:
            raise LineLost(self.fault)
        connection = self.transport.getHandle()
        if fault := creator.judge_shown(connection):
            self.drop(fault)
            raise LineLost(fault)
        self.engine.tls_started()
        self.tls = f"{connection.get_protocol_version_name()} {connection.get_cipher_name()}"

    def drop(self, fault: str) -> None:
        """Give the connection up at once."""
        if self.transport is not None:
            self.transport.abortConnection()
        self._gone(fault)

    def stop(self, fault: str, *, answer: float) -> None:
        """As :meth:`drop`; but a message that is out to its last octet has ``answer`` seconds for its answer.

        Who cuts there has handed it over without knowing, and does it again after the restart.
        """
        if self._timer is not None and self.engine.progress[0] is Stage.FINAL:
            self._stop_timer()
            self._timer = self._reactor.callLater(answer, self.drop, fault)
            return
        self.drop(fault)

    def close(self) -> None:
        """Say QUIT where that is allowed and hang up; nothing is awaited any more."""
        if not self.alive or self.transport is None:
            return
        try:
            self.write(self.engine.quit())
        except MisuseError:
            self.drop("closed by us")
            return
        self._hang_up()
        self._gone("closed by us")

    def _hang_up(self) -> None:
        # A TLS transport says goodbye only once no producer is left, and then waits for the other side's: one that
        # does not answer must not keep us a descriptor.
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._linger = self._reactor.callLater(LINGER, self.transport.abortConnection)

    def _start_timer(self) -> None:
        self._progress = self.engine.progress
        seconds = self._wait(self._progress[0])
        self._timer = self._reactor.callLater(seconds, self.drop, f"no answer in {seconds:g} s")

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            _stop(timer)

    def _pump(self) -> None:
        while self.alive:
            try:
                event = self.engine.next_event()
            except ProtocolError as error:
                self.drop(f"junk: {error.text}")
                return
            if isinstance(event, Send):
                self.write(event.octets)
            elif event is Need.TLS:
                self.wants_tls = True
                break
            elif event is Need.CLOSE:
                if self.transport is not None:
                    self._hang_up()
                self._gone("closed by the other side")
                return
            elif isinstance(event, Need):
                break
            else:
                self._events.append(event)
        if self._events or self.wants_tls:
            self._wake()

    def _gone(self, fault: str) -> None:
        if not self.alive:
            return
        self.alive = False
        self.fault = fault
        self.engine.lost()
        while True:
            try:
                event = self.engine.next_event()
            except ProtocolError:
                continue
            if isinstance(event, Need):
                break
            if not isinstance(event, Send):
                self._events.append(event)
        self.resumeProducing()
        self.handshakeCompleted()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)


def _stop(timer: Any) -> None:
    if timer.active():
        timer.cancel()


def _reason_text(reason: Failure) -> str:
    return reason.getErrorMessage() or type(reason.value).__name__
