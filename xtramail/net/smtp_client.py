"""The courier on the network: opens lines to hosts, keeps a few for reuse, and walks each through its dialogue.

Owns connections of the relay. Which message goes where and when is ``delivery/relay``'s; what an outcome means for the
queue too.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory

from xtramail.delivery.courier import Body, Carried, Hop
from xtramail.model.address import Address
from xtramail.model.envelope import Envelope
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending
from xtramail.net.adapter import start
from xtramail.net.certificates import CertificateFault
from xtramail.net.smtp_line import LineLost, SmtpLine
from xtramail.net.tls_client import ClientContexts, TlsMode
from xtramail.wire.smtp.client import SmtpClientConfig
from xtramail.wire.smtp.client_events import (
    Asked,
    BodyWanted,
    Declined,
    Finished,
    Greeted,
    LoggedIn,
    Ready,
    RecipientOutcome,
    Stage,
    Verdict,
)
from xtramail.wire.smtp.events import Need

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CourierSettings:
    """Seconds to wait for each answer (RFC 5321 §4.5.3.2), and how connections are kept."""

    hostname: str
    connect: float = 10.0
    greeting: float = 60.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0
    idle: float = 5.0
    idle_per_hop: int = 5
    messages_per_line: int = 100
    ask: float = 5.0
    ask_idle: float = 60.0
    chunking: bool = True


class SmtpCourier:
    """``delivery.courier.Courier`` over Twisted."""

    def __init__(self, reactor: Any, *, settings: CourierSettings, contexts: ClientContexts) -> None:
        self._reactor = reactor
        self.settings = settings
        self._contexts = contexts
        self._idle: dict[Hop, list[tuple[SmtpLine, int, Any]]] = {}
        self._askers: dict[Hop, DeferredSemaphore] = {}
        self._ask_lines: dict[Hop, SmtpLine] = {}
        self._open: set[SmtpLine] = set()

    def carry(
        self,
        hop: Hop,
        envelope: Envelope,
        body: Body,
        *,
        message: str,
        before_dot: Callable[[tuple[int, ...]], Pending[None]],
    ) -> Pending[Carried]:
        """See ``delivery.courier.Courier.carry``."""
        return _pending(self._carry(hop, envelope, body, before_dot))

    def ask(self, hop: Hop, address: Address) -> Pending[Reply]:
        """See ``delivery.courier.Courier.ask``: questions to one host go one after another over one kept line."""
        return _pending(self._ask(hop, address))

    def close(self) -> None:
        """Hang up everywhere: QUIT on idle lines, what is under way is cut (and told as such)."""
        for lines in self._idle.values():
            for line, _, timer in lines:
                timer.cancel()
                line.close()
        self._idle.clear()
        for line in self._ask_lines.values():
            line.close()
        for line in list(self._open):
            line.drop("this server is stopping")

    async def _carry(
        self, hop: Hop, envelope: Envelope, body: Body, before_dot: Callable[[tuple[int, ...]], Pending[None]]
    ) -> Carried:
        fresh = False
        while True:
            kept = self._take_idle(hop)
            try:
                fresh = kept is None
                line, used = kept if kept is not None else (await self._connect(hop), 0)
            except LineLost as lost:
                return _not_carried(envelope, hop, Stage.CONNECT, None, lost.text)
            except _Turned as turned:
                return _not_carried(envelope, hop, turned.stage, turned.reply, f"{turned.stage}: {turned.reply.text}")
            self._open.add(line)
            try:
                outcomes, told = await self._transaction(line, envelope, body, before_dot)
            finally:
                self._open.discard(line)
            if not fresh and not told and not line.alive:
                # The host had closed the kept line in the meantime and has heard nothing of this message.
                continue
            fault = line.fault if not line.alive and any(o.reply is None for o in outcomes) else ""
            if line.alive:
                self._keep(hop, line, used + 1)
            return Carried(outcomes=outcomes, host=str(hop), tls=line.tls, fault=fault)

    async def _transaction(
        self, line: SmtpLine, envelope: Envelope, body: Body, before_dot: Callable[[tuple[int, ...]], Pending[None]]
    ) -> tuple[tuple[RecipientOutcome, ...], bool]:
        """The outcomes, and whether the host said anything at all."""
        settings = self.settings
        line.write(line.engine.begin(envelope, body.size))
        timeout = settings.command
        told = False
        while True:
            try:
                event = await line.event(timeout)
            except LineLost:
                return _all(envelope, Verdict.DEFERRED, Stage.MAIL, None), told
            match event:
                case BodyWanted(accepted=accepted):
                    told = True
                    if not await self._send_body(line, body, accepted, before_dot):
                        return _all(envelope, Verdict.DEFERRED, Stage.DATA, None), told
                    timeout = settings.final
                case Finished(outcomes=outcomes):
                    return outcomes, told or any(outcome.reply is not None for outcome in outcomes)
                case _:
                    told = True

    async def _send_body(
        self,
        line: SmtpLine,
        body: Body,
        accepted: tuple[int, ...],
        before_dot: Callable[[tuple[int, ...]], Pending[None]],
    ) -> bool:
        """False when we gave the line up before the dot; True also when the other side did (its event says so)."""
        try:
            for chunk in body.chunks():
                if not line.alive:
                    return True
                line.write(line.engine.body(chunk))
                await line.drained(self.settings.block)
            if not line.alive:
                return True
            line.write(line.engine.body_end())
            await line.drained(self.settings.block)
            await before_dot(accepted)
        except Exception as error:
            # The body could not be read or the attempt not be written down: no dot, so nothing was handed over.
            line.drop(f"given up before the final dot: {type(error).__name__}")
            return False
        if line.alive:
            line.write(line.engine.final_dot())
        return True

    async def _ask(self, hop: Hop, address: Address) -> Reply:
        turn = self._askers.setdefault(hop, DeferredSemaphore(1))
        await turn.acquire()
        try:
            timer = self._reactor.callLater(self.settings.ask, self._drop_asker, hop)
            try:
                return await self._ask_once(hop, address)
            except LineLost as lost:
                raise PrimaryDown(f"{hop}: {lost.text}") from None
            except _Turned as turned:
                raise PrimaryDown(f"{hop}: {turned.reply.text}") from None
            finally:
                if timer.active():
                    timer.cancel()
        finally:
            turn.release()

    async def _ask_once(self, hop: Hop, address: Address) -> Reply:
        kept = self._ask_lines.get(hop)
        if kept is not None and kept.alive:
            try:
                return await self._question(hop, kept, address)
            except LineLost:
                # The host had closed the kept line in the meantime: ask again on a fresh one.
                pass
        return await self._question(hop, await self._connect(hop, within=self.settings.ask, register=True), address)

    async def _question(self, hop: Hop, line: SmtpLine, address: Address) -> Reply:
        line.write(line.engine.ask(address))
        event = await line.event(self.settings.ask)
        if not isinstance(event, Asked) or event.reply is None:
            raise LineLost(line.fault or "no answer")
        if event.stage is not Stage.RCPT:
            raise _Turned(event.stage, event.reply)
        self._reactor.callLater(self.settings.ask_idle, self._close_asker, hop, line)
        return event.reply

    def _drop_asker(self, hop: Hop) -> None:
        line = self._ask_lines.pop(hop, None)
        if line is not None:
            line.drop(f"no answer in {self.settings.ask:g} s")

    def _close_asker(self, hop: Hop, line: SmtpLine) -> None:
        if self._ask_lines.get(hop) is line and not self._askers[hop].waiting:
            del self._ask_lines[hop]
            line.close()

    async def _connect(self, hop: Hop, *, within: float = 0.0, register: bool = False) -> SmtpLine:
        """A line that is Ready. LineLost or _Turned when it does not come to that."""
        tls = hop.tls
        while True:
            line = await self._dial(hop, within or self.settings.connect)
            self._open.add(line)
            if register:
                self._ask_lines[hop] = line
            try:
                await self._greet(line, hop, tls)
                return line
            except _TlsFailed as failed:
                if tls != "opportunistic":
                    raise LineLost(f"TLS: {failed.text}") from None
                # RFC 7435: opportunistic TLS that does not work falls back to what would have been without it.
                tls = "none"
            except BaseException:
                if line.alive:
                    line.close()
                raise
            finally:
                self._open.discard(line)

    async def _dial(self, hop: Hop, timeout: float) -> SmtpLine:
        config = SmtpClientConfig(hostname=self.settings.hostname, chunking=self.settings.chunking)
        endpoint: Any = HostnameEndpoint(self._reactor, hop.host.encode("idna"), hop.port, timeout=timeout)
        factory = Factory.forProtocol(lambda: SmtpLine(self._reactor, config))
        factory.noisy = False
        try:
            line: SmtpLine = await endpoint.connect(factory)
        except Exception as error:
            raise LineLost(f"connect: {str(error) or type(error).__name__}") from None
        return line

    async def _greet(self, line: SmtpLine, hop: Hop, tls: str) -> None:
        wait = self.settings.greeting
        _expect(await line.event(wait), Greeted)
        await self._hello(line, wait)
        if tls != "none":
            if line.engine.offers("STARTTLS"):
                await self._start_tls(line, hop, tls)
                await self._hello(line, wait)
            elif tls != "opportunistic":
                raise LineLost("TLS: the host does not offer STARTTLS")
        if hop.user and hop.password is not None:
            if not line.tls:
                raise LineLost("login: refused without TLS; set primary-tls or use a host that offers STARTTLS")
            line.write(line.engine.login(hop.user, hop.password))
            _expect(await line.event(wait), LoggedIn)

    async def _hello(self, line: SmtpLine, wait: float) -> None:
        line.write(line.engine.hello())
        _expect(await line.event(wait), Ready)

    async def _start_tls(self, line: SmtpLine, hop: Hop, tls: str) -> None:
        line.write(line.engine.starttls())
        event = await line.event(self.settings.greeting)
        if isinstance(event, Declined):
            if tls == "opportunistic":
                return
            raise _Turned(event.stage, event.reply)
        if event is not Need.TLS:
            raise LineLost("TLS: the host said something else")
        try:
            ca_file = Path(hop.ca) if hop.ca else None
            creator = self._contexts.for_host(hop.host, mode=TlsMode(tls), ca_file=ca_file)
        except CertificateFault as fault:
            raise LineLost(f"TLS: {fault}") from None
        try:
            await line.start_tls(creator, self.settings.greeting)
        except LineLost as lost:
            raise _TlsFailed(creator.fault or lost.text) from None

    def _take_idle(self, hop: Hop) -> tuple[SmtpLine, int] | None:
        lines = self._idle.get(hop, [])
        while lines:
            line, used, timer = lines.pop()
            if timer.active():
                timer.cancel()
            if line.alive:
                return line, used
        return None

    def _keep(self, hop: Hop, line: SmtpLine, used: int) -> None:
        lines = self._idle.setdefault(hop, [])
        if used >= self.settings.messages_per_line or len(lines) >= self.settings.idle_per_hop:
            line.close()
            return
        timer = self._reactor.callLater(self.settings.idle, self._retire, hop, line)
        lines.append((line, used, timer))

    def _retire(self, hop: Hop, line: SmtpLine) -> None:
        self._idle[hop] = [kept for kept in self._idle.get(hop, []) if kept[0] is not line]
        if not self._idle[hop]:
            del self._idle[hop]
        line.close()


class _TlsFailed(LineLost):
    """The handshake failed."""


class _Turned(Exception):
    """The host answered, and said no before the message came into it."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(stage, reply)
        self.stage = stage
        self.reply = reply


def _expect(event: object, kind: type[Any]) -> None:
    if isinstance(event, kind):
        return
    if isinstance(event, Declined):
        raise _Turned(event.stage, event.reply)
    raise LineLost("the host said something out of order")


def _all(envelope: Envelope, verdict: Verdict, stage: Stage, reply: Reply | None) -> tuple[RecipientOutcome, ...]:
    return tuple(RecipientOutcome(verdict=verdict, stage=stage, reply=reply) for _ in envelope.forward_paths)


def _not_carried(envelope: Envelope, hop: Hop, stage: Stage, reply: Reply | None, fault: str) -> Carried:
    return Carried(outcomes=_all(envelope, Verdict.DEFERRED, stage, reply), host=str(hop), fault=fault)


def _pending(coroutine: Coroutine[Any, Any, T]) -> Pending[T]:
    pending: Pending[T] = Pending()
    start(coroutine).addCallbacks(pending.settle, lambda failure: pending.fail(failure.value))
    return pending
