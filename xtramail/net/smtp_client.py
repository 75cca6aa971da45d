"""The courier on the network: walks connections through their transactions and keeps a few for reuse.

Owns what happens on a line from MAIL to the answer to the dot. Opening lines is ``smtp_dial``'s, questions are
``smtp_asker``'s; which message goes where and when is ``delivery/relay``'s, as is what an outcome means for the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from xtramail.delivery.courier import Body, Carried, Hop, NotAsked
from xtramail.model.address import Address
from xtramail.model.envelope import Envelope
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending
from xtramail.net.adapter import start
from xtramail.net.courier_settings import CourierSettings as CourierSettings
from xtramail.net.smtp_asker import SmtpAsker
from xtramail.net.smtp_dial import Dialer, NoSocket, Turned
from xtramail.net.smtp_line import LineLost, SmtpLine
from xtramail.net.tls_client import ClientContexts
from xtramail.wire.errors import MisuseError
from xtramail.wire.smtp.client_events import BodyWanted, Finished, RecipientOutcome, Stage, Verdict

T = TypeVar("T")

BeforeDot = Callable[[tuple[int, ...]], Pending[None]]


class SmtpCourier:
    """``delivery.courier.Courier`` over Twisted."""

    def __init__(self, reactor: Any, *, settings: CourierSettings, contexts: ClientContexts) -> None:
        self._reactor = reactor
        self._dialer = Dialer(reactor, settings=settings, contexts=contexts)
        self._asker = SmtpAsker(reactor, self._dialer)
        self._idle: dict[Hop, list[tuple[SmtpLine, int, Any]]] = {}

    @property
    def settings(self) -> CourierSettings:
        return self._dialer.settings

    @settings.setter
    def settings(self, settings: CourierSettings) -> None:
        self._dialer.settings = settings

    @property
    def lines(self) -> int:
        """Connections that are open or being opened."""
        return self._dialer.lines

    def carry(
        self, hop: Hop, envelope: Envelope, body: Body, *, message: str, before_dot: BeforeDot
    ) -> Pending[Carried]:
        """See ``delivery.courier.Courier.carry``."""
        return _pending(self._carry(hop, envelope, body, before_dot))

    def ask(self, hop: Hop, address: Address) -> Pending[Reply]:
        """See ``delivery.courier.Courier.ask``."""
        return _pending(self._asker.ask(hop, address))

    def probe(self, hop: Hop) -> Pending[None]:
        """Greet the host as for a message, TLS and login with it, and leave; PrimaryDown says what went wrong."""
        return _pending(self._probe(hop))

    async def _probe(self, hop: Hop) -> None:
        try:
            line = await self._dialer.connect(hop)
        except NoSocket as lost:
            raise NotAsked(f"{hop}: {lost.text}") from None
        except LineLost as lost:
            raise PrimaryDown(f"{hop}: {lost.text}") from None
        except Turned as turned:
            raise PrimaryDown(f"{hop}: {turned.stage}: {turned.reply.text}") from None
        line.close()

    def close(self) -> None:
        """Hang up everywhere: QUIT on idle lines; what is under way is cut (and told), unless its answer is due."""
        self._dialer.stop()
        for lines in self._idle.values():
            for line, _, timer in lines:
                if timer.active():
                    timer.cancel()
                line.close()
        self._idle.clear()
        self._asker.close()
        self._dialer.cut()

    async def _carry(self, hop: Hop, envelope: Envelope, body: Body, before_dot: BeforeDot) -> Carried:
        while True:
            kept = self._take_idle(hop)
            try:
                line, used = kept if kept is not None else (await self._dialer.connect(hop), 0)
            except NoSocket as lost:
                return _not_carried(envelope, hop, Stage.LOCAL, None, lost.text)
            except LineLost as lost:
                return _not_carried(envelope, hop, Stage.CONNECT, None, lost.text)
            except Turned as turned:
                return _not_carried(envelope, hop, turned.stage, turned.reply, f"{turned.stage}: {turned.reply.text}")
            try:
                outcomes, told = await self._transaction(line, envelope, body, before_dot)
            except MisuseError as error:
                # The host is not to blame, and the next message may be sayable.
                line.drop(f"cannot be said in SMTP: {error}")
                return _not_carried(envelope, hop, Stage.RCPT, None, line.fault)
            except BaseException:
                line.drop("given up")
                raise
            if kept is not None and not line.alive and (not told or _turned_away(outcomes)):
                # The host had given up the kept line in the meantime and has not looked at this message.
                continue
            fault = line.fault if not line.alive and any(o.reply is None for o in outcomes) else ""
            if line.alive:
                self._keep(hop, line, used + 1)
            dsn = line.engine.offers("DSN")
            policy = _policy(hop) if line.tls else "none"
            return Carried(outcomes=outcomes, host=str(hop), tls=line.tls, policy=policy, fault=fault, dsn=dsn)

    async def _transaction(
        self, line: SmtpLine, envelope: Envelope, body: Body, before_dot: BeforeDot
    ) -> tuple[tuple[RecipientOutcome, ...], bool]:
        """The outcomes, and whether the host said anything at all."""
        line.write(line.engine.begin(envelope, body.size))
        told = False
        while True:
            try:
                event = await line.event()
            except LineLost:
                return _all(envelope, Stage.MAIL, None), told
            match event:
                case BodyWanted(accepted=accepted):
                    told = True
                    if not await self._send_body(line, body, accepted, before_dot):
                        return _all(envelope, Stage.DATA, None), told
                case Finished(outcomes=outcomes):
                    return outcomes, told or any(outcome.reply is not None for outcome in outcomes)
                case _:
                    told = True

    async def _send_body(
        self, line: SmtpLine, body: Body, accepted: tuple[int, ...], before_dot: BeforeDot
    ) -> bool:
        """False when we gave the line up before the dot; True also when the host ended it (``Finished`` says why)."""
        try:
            for chunk in body.chunks():
                if not _wanted(line):
                    return True
                line.write(line.engine.body(chunk))
                await line.drained(self.settings.block)
            if not _wanted(line):
                return True
            line.write(line.engine.body_end())
            await line.drained(self.settings.block)
            if not _wanted(line):
                return True
            await before_dot(accepted)
        except Exception as error:
            # The body could not be read or the attempt not be written down: no dot, so nothing was handed over.
            line.drop(f"given up before the final dot: {type(error).__name__}")
            return False
        if _wanted(line):
            line.write(line.engine.final_dot())
        return True

    def _take_idle(self, hop: Hop) -> tuple[SmtpLine, int] | None:
        lines = self._idle.get(hop, [])
        while lines:
            line, used, timer = lines.pop()
            if timer.active():
                timer.cancel()
            if line.alive:
                return line, used
        self._idle.pop(hop, None)
        return None

    def _keep(self, hop: Hop, line: SmtpLine, used: int) -> None:
        lines = self._idle.setdefault(hop, [])
        lines[:] = [kept for kept in lines if kept[0].alive]
        if self._dialer.stopped or used >= self.settings.messages_per_line or len(lines) >= self.settings.idle_per_hop:
            line.close()
            return
        timer = self._reactor.callLater(self.settings.idle, self._retire, hop, line)
        lines.append((line, used, timer))

    def _retire(self, hop: Hop, line: SmtpLine) -> None:
        left = [kept for kept in self._idle.get(hop, []) if kept[0] is not line]
        if left:
            self._idle[hop] = left
        else:
            self._idle.pop(hop, None)
        line.close()


def _policy(hop: Hop) -> str:
    return hop.promise or hop.tls


def _wanted(line: SmtpLine) -> bool:
    """The host still takes the message; it may end it at any time."""
    return line.engine.body_open


def _turned_away(outcomes: tuple[RecipientOutcome, ...]) -> bool:
    """421 to MAIL: the line was idle for too long (RFC 5321 §3.8)."""
    return all(o.stage is Stage.MAIL and o.reply is not None and o.reply.code == 421 for o in outcomes)


def _all(envelope: Envelope, stage: Stage, reply: Reply | None) -> tuple[RecipientOutcome, ...]:
    outcome = RecipientOutcome(verdict=Verdict.DEFERRED, stage=stage, reply=reply)
    return tuple(outcome for _ in envelope.forward_paths)


def _not_carried(envelope: Envelope, hop: Hop, stage: Stage, reply: Reply | None, fault: str) -> Carried:
    return Carried(outcomes=_all(envelope, stage, reply), host=str(hop), policy=_policy(hop), fault=fault)


def _pending(coroutine: Coroutine[Any, Any, T]) -> Pending[T]:
    pending: Pending[T] = Pending()
    start(coroutine).addCallbacks(pending.settle, lambda failure: pending.fail(failure.value))
    return pending
