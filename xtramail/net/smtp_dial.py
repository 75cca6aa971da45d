"""Opens connections to hosts: dialling, greeting, EHLO, TLS as the route asks for it, login.

Owns every connection that the courier ever opened, so that all of them can be cut. What is said on a line that is ready
is ``smtp_client``'s and ``smtp_asker``'s.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectBindError, ConnectError
from twisted.internet.protocol import Factory

from xtramail.delivery.courier import Hop
from xtramail.model.outcome import Reply
from xtramail.net.certificates import CertificateFault
from xtramail.net.courier_settings import CourierSettings
from xtramail.net.outside_addresses import outside_addresses
from xtramail.net.smtp_line import LineLost, SmtpLine
from xtramail.net.tls_client import ClientContexts, ClientTls, TlsMode
from xtramail.wire.smtp.client_config import SmtpClientConfig
from xtramail.wire.smtp.client_events import Declined, Greeted, LoggedIn, Ready, Stage
from xtramail.wire.smtp.events import Need

STOPPING = "this server is stopping"


class Turned(Exception):
    """The host answered, and said no before the message came into it."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(stage, reply)
        self.stage = stage
        self.reply = reply


class NoSocket(LineLost):
    """This machine has none to give (descriptors, memory, ports): that says nothing of the other side."""


class _TlsFailed(LineLost):
    """The handshake failed."""


class Dialer:
    """``connect`` gives lines that are ready for a first message."""

    def __init__(self, reactor: Any, *, settings: CourierSettings, contexts: ClientContexts) -> None:
        self._reactor = reactor
        self.settings = settings
        self._contexts = contexts
        self._dialling: set[Deferred[Any]] = set()
        self._lines: set[SmtpLine] = set()
        self._stopped = False

    @property
    def lines(self) -> int:
        """Connections that are open or being opened."""
        self._forget_dead()
        return len(self._lines) + len(self._dialling)

    def stop(self) -> None:
        """Open nothing any more."""
        self._stopped = True

    @property
    def stopped(self) -> bool:
        return self._stopped

    def cut(self) -> None:
        """Cut everything at once, but for what only waits for the last answer."""
        for dialling in list(self._dialling):
            dialling.cancel()
        for line in list(self._lines):
            line.stop(STOPPING, answer=self.settings.last_answer)

    async def connect(self, hop: Hop, wait: Callable[[Stage], float] | None = None) -> SmtpLine:
        """A line that is ready. LineLost or Turned when it does not come to that; cut when it is waited for no more.

        ``wait``: seconds for each answer, where it is not the usual.
        """
        tls = hop.tls
        while True:
            line = await self._dial(hop, wait or self.settings.wait)
            try:
                await self._greet(line, hop, tls)
                return line
            except _TlsFailed as failed:
                line.drop(failed.text)
                if tls != "opportunistic":
                    raise LineLost(f"TLS: {failed.text}") from None
                # RFC 7435: opportunistic TLS that does not work falls back to what would have been without it.
                tls = "none"
            except BaseException:
                line.close()
                raise

    async def _dial(self, hop: Hop, wait: Callable[[Stage], float]) -> SmtpLine:
        addresses = hop.addresses or (hop.host,)
        if not hop.inside:
            addresses = tuple(await outside_addresses(self._reactor, hop.host, seconds=self.settings.connect))
        *others, last = addresses
        for address in others:
            with contextlib.suppress(LineLost):
                return await self._dial_at(address, hop.port, wait)
        return await self._dial_at(last, hop.port, wait)

    async def _dial_at(self, place: str, port: int, wait: Callable[[Stage], float]) -> SmtpLine:
        if self.stopped:
            raise LineLost(STOPPING)
        seconds = self.settings.connect
        config = SmtpClientConfig(hostname=self.settings.hostname, chunking=self.settings.chunking)
        factory = Factory.forProtocol(lambda: SmtpLine(self._reactor, config, wait))
        factory.noisy = False
        try:
            host: Any = place if place.isascii() else place.encode("idna")
            endpoint: Any = HostnameEndpoint(self._reactor, host, port, timeout=seconds)
            dialling: Deferred[SmtpLine] = endpoint.connect(factory)
        except ValueError as error:
            raise LineLost(f"connect: {place} is no host name: {error}") from None
        # The endpoint's own timeout is for each address; looking up the name has none at all.
        timer = self._reactor.callLater(seconds, dialling.cancel)
        self._dialling.add(dialling)
        try:
            line = await dialling
        except CancelledError:
            raise LineLost(STOPPING if self._stopped else f"connect: no answer in {seconds:g} s") from None
        except ConnectBindError as error:
            raise NoSocket(f"connect: {_reason(error)}") from None
        except Exception as error:
            raise LineLost(f"connect: {_reason(error)}") from None
        finally:
            self._dialling.discard(dialling)
            if timer.active():
                timer.cancel()
            if not dialling.called:
                dialling.cancel()
        self._forget_dead()
        self._lines.add(line)
        return line

    def _forget_dead(self) -> None:
        self._lines = {line for line in self._lines if line.alive}

    async def _greet(self, line: SmtpLine, hop: Hop, tls: str) -> None:
        _expect(await line.event(), Greeted)
        await _hello(line)
        if tls != "none":
            if line.engine.offers("STARTTLS"):
                await self._start_tls(line, hop, tls)
                await _hello(line)
            elif tls != "opportunistic":
                raise LineLost("TLS: the host does not offer STARTTLS")
        if hop.user and hop.password is not None:
            if not line.tls:
                raise LineLost("login: refused without TLS; use a host that offers STARTTLS")
            line.write(line.engine.login(hop.user, hop.password))
            _expect(await line.event(), LoggedIn)

    async def _start_tls(self, line: SmtpLine, hop: Hop, tls: str) -> None:
        line.write(line.engine.starttls())
        try:
            event = await line.event()
        except LineLost as lost:
            raise _TlsFailed(lost.text) from None
        if isinstance(event, Declined):
            if tls == "opportunistic":
                return
            raise Turned(event.stage, event.reply)
        if event is not Need.TLS:
            raise LineLost("TLS: the host said something else")
        try:
            creator = self._creator(hop, tls)
        except CertificateFault as fault:
            raise LineLost(f"TLS: {fault}") from None
        try:
            await line.start_tls(creator, self.settings.greeting)
        except LineLost as lost:
            raise _TlsFailed(creator.fault or lost.text) from None

    def _creator(self, hop: Hop, tls: str) -> ClientTls:
        if tls == "dane":
            return self._contexts.for_dane(hop.tlsa, hop.names)
        return self._contexts.for_host(hop.host, mode=TlsMode(tls), ca_file=Path(hop.ca) if hop.ca else None)


async def _hello(line: SmtpLine) -> None:
    line.write(line.engine.hello())
    _expect(await line.event(), Ready)


def _expect(event: object, kind: type[Any]) -> None:
    if isinstance(event, kind):
        return
    if isinstance(event, Declined):
        raise Turned(event.stage, event.reply)
    raise LineLost("the host said something out of order")


def _reason(error: Exception) -> str:
    """For people: the system's own few words where it has some. Twisted's are a sentence that says them twice."""
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        return os.strerror(error.osError).lower()
    return str(error).rstrip(".") or type(error).__name__
