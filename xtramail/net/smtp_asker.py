"""Puts recipients to hosts: questions to one host go one after another over one connection that is kept for a while.

Owns turns and time-outs: a question takes at most so long from its turn on, waits at most so long for it, and those who
wait behind one that got no answer are told so at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from xtramail.delivery.courier import Hop
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.net.adapter import start
from xtramail.net.smtp_dial import STOPPING, Dialer, Turned
from xtramail.net.smtp_line import LineLost, SmtpLine
from xtramail.wire.smtp.client_events import Asked, Stage


@dataclass(slots=True, eq=False)
class _Host:
    """The state of questions to one host."""

    busy: bool = False
    waiting: deque[Deferred[None]] = field(default_factory=deque)
    line: SmtpLine | None = None
    idle: Any = None


class SmtpAsker:
    """``ask`` is ``delivery.courier.Courier.ask``."""

    def __init__(self, reactor: Any, dialer: Dialer) -> None:
        self._reactor = reactor
        self._dialer = dialer
        self._hosts: dict[Hop, _Host] = {}

    def close(self) -> None:
        """Hang up; whoever waits is told. The dialer is to be stopped before."""
        for host in list(self._hosts.values()):
            _fail(host, STOPPING)
            if host.busy and host.line is not None:
                host.line.drop(STOPPING)
            self._hang_up(host)

    async def ask(self, hop: Hop, address: Address) -> Reply:
        """What the host says to RCPT; PrimaryDown when it does not come to that."""
        host = self._hosts.setdefault(hop, _Host())
        await self._turn(host, hop)
        try:
            return await self._in_time(host, hop, address)
        except LineLost as lost:
            fault = lost.text
        except Turned as turned:
            fault = turned.reply.text
        finally:
            self._next(host, hop)
        raise PrimaryDown(f"{hop}: {fault}")

    async def _turn(self, host: _Host, hop: Hop) -> None:
        if self._dialer.stopped:
            raise PrimaryDown(STOPPING)
        if not host.busy:
            host.busy = True
            return
        settings = self._dialer.settings
        if len(host.waiting) >= settings.ask_waiting:
            raise PrimaryDown(f"{hop}: too many questions wait")
        turn: Deferred[None] = Deferred()
        host.waiting.append(turn)
        timer = self._reactor.callLater(settings.ask_turn, _give_up, host, turn)
        try:
            await turn
        finally:
            if timer.active():
                timer.cancel()
            if turn in host.waiting:
                host.waiting.remove(turn)

    def _next(self, host: _Host, hop: Hop) -> None:
        if host.waiting:
            host.waiting.popleft().callback(None)
            return
        host.busy = False
        if host.line is None or not host.line.alive:
            self._hosts.pop(hop, None)

    async def _in_time(self, host: _Host, hop: Hop, address: Address) -> Reply:
        seconds = self._dialer.settings.ask
        question = start(self._question(host, hop, address))
        timer = self._reactor.callLater(seconds, question.cancel)
        try:
            return await question
        except CancelledError:
            lost = LineLost(f"no answer in {seconds:g} s")
        except LineLost as error:
            lost = error
        finally:
            if timer.active():
                timer.cancel()
            if not question.called:
                question.cancel()
        # They would wait for the same host in vain, one after another.
        _fail(host, f"{hop}: {lost.text}")
        raise lost

    async def _question(self, host: _Host, hop: Hop, address: Address) -> Reply:
        self._stay(host)
        line = host.line
        if line is not None and line.alive:
            try:
                return await self._put(host, hop, line, address)
            except LineLost:
                # The host had closed the kept line in the meantime: ask again on a fresh one.
                pass
        line = host.line = await self._dialer.connect(hop, lambda stage: self._dialer.settings.ask)
        return await self._put(host, hop, line, address)

    async def _put(self, host: _Host, hop: Hop, line: SmtpLine, address: Address) -> Reply:
        try:
            line.write(line.engine.ask(address))
            event = await line.event()
        except BaseException:
            # Also when the time is over: an answer that comes later would be taken for the next one's.
            line.drop("no answer in time")
            raise
        if not isinstance(event, Asked) or event.reply is None:
            line.drop("the question was not answered")
            raise LineLost(line.fault)
        host.idle = self._reactor.callLater(self._dialer.settings.ask_idle, self._retire, host, hop)
        if event.stage not in (Stage.RCPT, Stage.LOCAL):
            raise Turned(event.stage, event.reply)
        return event.reply

    def _stay(self, host: _Host) -> None:
        idle, host.idle = host.idle, None
        if idle is not None and idle.active():
            idle.cancel()

    def _retire(self, host: _Host, hop: Hop) -> None:
        self._hang_up(host)
        if not host.busy:
            self._hosts.pop(hop, None)

    def _hang_up(self, host: _Host) -> None:
        self._stay(host)
        line, host.line = host.line, None
        if line is not None:
            line.close()


def _fail(host: _Host, fault: str) -> None:
    waiting, host.waiting = host.waiting, deque()
    for turn in waiting:
        turn.errback(PrimaryDown(fault))


def _give_up(host: _Host, turn: Deferred[None]) -> None:
    if turn in host.waiting:
        host.waiting.remove(turn)
        turn.errback(PrimaryDown("too many questions wait"))
