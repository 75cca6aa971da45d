"""Primaries with moods, and the courier between them and the relay: every stage takes time and may go wrong.

A primary changes its mood while messages are on their way; what it took stays taken, whether its answer arrives or not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.simulator.stores import Died
from tests.simulator.timeline import Reactor
from xtramail.delivery.courier import Body, Carried, Hop
from xtramail.model.address import Address
from xtramail.model.envelope import Envelope
from xtramail.model.errors import PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict


@dataclass(frozen=True, slots=True)
class Mood:
    """What goes wrong at which stage: a ``reply``, else the connection: it is cut, or ``silent`` until the deadline."""

    stage: Stage | None = None
    reply: Reply | None = None
    silent: bool = False
    takes: bool = False
    """At the final dot: it has the message all the same."""
    every: int = 1
    """At RCPT: every so-manyth recipient."""


MOODS: dict[str, Mood] = {
    "accepts": Mood(),
    "discards": Mood(),
    "refuses": Mood(Stage.CONNECT),
    "blackhole": Mood(Stage.CONNECT, silent=True),
    "banner 421": Mood(Stage.CONNECT, Reply.of(421, "4.3.2", "closing")),
    "ehlo 451": Mood(Stage.HELLO, Reply.of(451, "4.3.0", "not now")),
    "ehlo drop": Mood(Stage.HELLO),
    "mail 451": Mood(Stage.MAIL, Reply.of(451, "4.3.0", "not now")),
    "mail 550": Mood(Stage.MAIL, Reply.of(550, "5.7.1", "go away")),
    "mail 552": Mood(Stage.MAIL, Reply.of(552, "5.3.4", "too big")),
    "rcpt 450": Mood(Stage.RCPT, Reply.of(450, "4.2.1", "busy"), every=2),
    "rcpt 421": Mood(Stage.RCPT, Reply.of(421, "4.3.2", "closing")),
    "rcpt 550": Mood(Stage.RCPT, Reply.of(550, "5.1.1", "who?"), every=2),
    "rcpt slow": Mood(Stage.RCPT, Reply.of(451, "4.7.500", "too fast")),
    "rcpt silent": Mood(Stage.RCPT, silent=True),
    "data 451": Mood(Stage.DATA, Reply.of(451, "4.3.0", "not now")),
    "data drop": Mood(Stage.DATA),
    "data silent": Mood(Stage.DATA, silent=True),
    "dot 451": Mood(Stage.FINAL, Reply.of(451, "4.3.0", "not kept")),
    "dot 554": Mood(Stage.FINAL, Reply.of(554, "5.6.0", "unwanted")),
    "dot drop": Mood(Stage.FINAL),
    "dot taken drop": Mood(Stage.FINAL, takes=True),
    "dot taken silent": Mood(Stage.FINAL, silent=True, takes=True),
    "dot silent": Mood(Stage.FINAL, silent=True),
}
PATIENCE = {Stage.CONNECT: 10.0, Stage.HELLO: 60.0, Stage.MAIL: 300.0, Stage.RCPT: 300.0, Stage.DATA: 120.0}
FINAL_PATIENCE = 600.0

@dataclass(frozen=True, slots=True)
class Handed:
    """A message for one recipient, as a primary is given it."""

    message: str
    """Our id of it."""
    recipient: str
    sender: str
    octets: bytes
    answered: bool
    """Its answer is on its way to us."""


class Witness(Protocol):
    """Who sees what is handed over."""

    def begins(self, message_id: str, recipients: Sequence[str], host: str) -> None:
        """A message is about to be handed to a host."""

    def asks(self, message_id: str, recipients: Sequence[str]) -> None:
        """All but the dot is said, and it is asked whether that may be."""

    def takes(self, handed: Handed) -> None:
        """A primary has it from now on."""


@dataclass
class World:
    """Every primary there is, and the rest of the world."""

    witness: Witness
    chance: random.Random
    moods: dict[str, str] = field(default_factory=dict)
    """By host; what is not there accepts."""
    dies_at_dot: bool = False
    """The server's power goes when the next primary takes a message."""
    at_outcome: Callable[[], None] | None = None
    """Called once, when the next final dot is answered or its answer is lost, before the server knows."""

    def mood(self, host: str) -> Mood:
        return MOODS[self.moods.get(host, "accepts")]

    def calm(self) -> None:
        self.moods.clear()
        self.dies_at_dot, self.at_outcome = False, None


class SimulatedCourier:
    """``courier.Courier`` of one life of the server."""

    def __init__(self, reactor: Reactor, world: World) -> None:
        self.reactor = reactor
        self.world = world
        self.under_way: list[_Carrying] = []
        self._probes: list[Pending[None]] = []
        self.closed = False

    def carry(
        self,
        hop: Hop,
        envelope: Envelope,
        body: Body,
        *,
        message: str,
        before_dot: Callable[[tuple[int, ...]], Pending[None]],
    ) -> Pending[Carried]:
        one = _Carrying(self, hop, envelope, body, message, before_dot)
        if self.closed:
            one.lose(Stage.CONNECT, "we are stopping")
            return one.carried
        self.under_way.append(one)
        one.carried.when_done(lambda _: self.under_way.remove(one))
        one.begin()
        return one.carried

    def ask(self, hop: Hop, address: Address) -> Pending[Reply]:
        mood = self.world.mood(hop.host)
        if mood.stage in (Stage.CONNECT, Stage.HELLO, Stage.MAIL):
            return Pending.failed(PrimaryDown())
        return Pending.of(Reply.of(250, "2.1.5", "ok"))

    def probe(self, hop: Hop) -> Pending[None]:
        pending: Pending[None] = Pending()
        mood = self.world.mood(hop.host)
        away = mood.stage in (Stage.CONNECT, Stage.HELLO)
        self._probes.append(pending)

        def answered() -> None:
            if pending.done:
                return
            self._probes.remove(pending)
            if away:
                pending.fail(PrimaryDown(f"{hop}: away"))
            else:
                pending.settle(None)

        self.reactor.callLater(PATIENCE[Stage.CONNECT] if away and mood.silent else self.delay(), answered)
        return pending

    def delay(self) -> float:
        return self.world.chance.choice((0.001, 0.02, 0.3))

    def close(self) -> None:
        """The server stops: what is under way is cut."""
        self.closed = True
        probes, self._probes = self._probes, []
        for probe in probes:
            probe.fail(PrimaryDown("we are stopping"))
        for one in list(self.under_way):
            one.cut("we are stopping")

    def die(self) -> None:
        """The server's power is gone; a dot that was written may arrive all the same."""
        for one in self.under_way:
            if one.dot_written and not one.taken and self.world.chance.random() < 0.5:
                one.take(answered=False)


class _Carrying:
    """One message on its way to one host."""

    def __init__(
        self,
        courier: SimulatedCourier,
        hop: Hop,
        envelope: Envelope,
        body: Body,
        message: str,
        before_dot: Callable[[tuple[int, ...]], Pending[None]],
    ) -> None:
        self._courier = courier
        self._hop = hop
        self._body = body
        self._message = message
        self._before_dot = before_dot
        self._recipients = [str(path.address) for path in envelope.forward_paths]
        self._sender = str(envelope.reverse_path.address or "")
        self._outcomes: dict[int, RecipientOutcome] = {}
        self._octets = b""
        self._stage = Stage.CONNECT
        self.carried: Pending[Carried] = Pending()
        self.dot_written = False
        self.taken = False

    def begin(self) -> None:
        self._courier.world.witness.begins(self._message, self._recipients, self._hop.host)
        self._pass(Stage.CONNECT, self._connected)

    def _pass(self, stage: Stage, onward: Callable[[], None]) -> None:
        """Go on when the stage went well, some time from now."""
        self._stage = stage
        self._courier.reactor.callLater(self._courier.delay(), self._at, stage, onward)

    def _at(self, stage: Stage, onward: Callable[[], None]) -> None:
        if self.carried.done:
            return
        mood = self._courier.world.mood(self._hop.host)
        wrong = mood.stage is Stage.CONNECT if stage is not Stage.CONNECT else False
        if not wrong and mood.stage is not stage:
            onward()
        elif wrong or mood.reply is None:
            self._lost(mood)
        elif stage is Stage.RCPT:
            self._recipients_refused(mood, onward)
        else:
            self._all(_refusal(stage, mood.reply), str(mood.reply.text))

    def _lost(self, mood: Mood) -> None:
        if not mood.silent:
            self.cut("hung up")
        else:
            patience = FINAL_PATIENCE if self.dot_written else PATIENCE[self._stage]
            self._courier.reactor.callLater(patience, self.cut, "no answer")

    def _connected(self) -> None:
        self._pass(Stage.HELLO, lambda: self._pass(Stage.MAIL, lambda: self._pass(Stage.RCPT, self._addressed)))

    def _recipients_refused(self, mood: Mood, onward: Callable[[], None]) -> None:
        assert mood.reply is not None
        if mood.reply.code == 421:
            self._all(_refusal(Stage.RCPT, mood.reply), mood.reply.text)
            return
        for number in range(len(self._recipients)):
            if number % mood.every == mood.every - 1 or len(self._recipients) == 1:
                self._outcomes[number] = _refusal(Stage.RCPT, mood.reply)
        onward()

    def _addressed(self) -> None:
        if len(self._outcomes) == len(self._recipients):
            self._finish("")
        else:
            self._pass(Stage.DATA, self._read)

    def _read(self) -> None:
        """Half of the text now, half of it later: its day may expire between."""
        chunks = self._body.chunks()
        try:
            self._octets += next(chunks, b"")
        except Exception as error:
            self.cut(f"given up: {type(error).__name__}")
            return
        self._courier.reactor.callLater(self._courier.delay(), self._read_on, chunks)

    def _read_on(self, chunks: Any) -> None:
        if self.carried.done:
            return
        try:
            for chunk in chunks:
                self._octets += chunk
            assert len(self._octets) == self._body.size, "the size that was announced"
            accepted = tuple(one for one in range(len(self._recipients)) if one not in self._outcomes)
            self._courier.world.witness.asks(self._message, [self._recipients[one] for one in accepted])
            row = self._before_dot(accepted)
        except Exception as error:
            self.cut(f"given up: {type(error).__name__}")
            return
        row.when_done(self._row_written)

    def _row_written(self, row: Pending[None]) -> None:
        if self.carried.done:
            return
        try:
            row.result()
        except Exception as error:
            self.cut(f"given up: {type(error).__name__}")
            return
        if self._courier.world.mood(self._hop.host).stage is Stage.CONNECT:
            # It went away while we wrote the row: the dot is never written.
            self.cut("hung up")
            return
        self.dot_written = True
        self._stage = Stage.FINAL
        self._courier.reactor.callLater(self._courier.delay(), self._dot_arrived)

    def _dot_arrived(self) -> None:
        if self.carried.done:
            return
        mood = self._courier.world.mood(self._hop.host)
        wrong = mood.stage in (Stage.FINAL, Stage.CONNECT)
        answered = not wrong
        if not wrong or mood.takes:
            self.take(answered=answered)
            if self._courier.world.dies_at_dot:
                self._courier.world.dies_at_dot = False
                raise Died
        if answered:
            self._courier.reactor.callLater(self._courier.delay(), self._answered)
        elif mood.stage is Stage.FINAL and mood.reply is not None:
            self._all(_refusal(Stage.FINAL, mood.reply), mood.reply.text)
        else:
            self._lost(mood)

    def take(self, *, answered: bool) -> None:
        self.taken = True
        for number, recipient in enumerate(self._recipients):
            if number not in self._outcomes:
                handed = Handed(self._message, recipient, self._sender, self._octets, answered)
                self._courier.world.witness.takes(handed)

    def _answered(self) -> None:
        if not self.carried.done:
            taken = RecipientOutcome(Verdict.DELIVERED, Stage.FINAL, Reply.of(250, "2.0.0", "taken"))
            self._all(taken, "")

    def cut(self, why: str) -> None:
        if self.carried.done:
            return
        if self.dot_written:
            self._all(RecipientOutcome(Verdict.UNCONFIRMED, Stage.FINAL, None), why)
        else:
            self.lose(self._stage, why)

    def lose(self, stage: Stage, why: str) -> None:
        self._all(RecipientOutcome(Verdict.DEFERRED, stage, None), why)

    def _all(self, outcome: RecipientOutcome, fault: str) -> None:
        """For all of whom nothing was said yet."""
        for number in range(len(self._recipients)):
            self._outcomes.setdefault(number, outcome)
        self._finish(fault)

    def _finish(self, fault: str) -> None:
        world = self._courier.world
        if self.dot_written and world.at_outcome is not None:
            fails, world.at_outcome = world.at_outcome, None
            fails()
        outcomes = tuple(self._outcomes[number] for number in range(len(self._recipients)))
        self.carried.settle(Carried(outcomes=outcomes, host=str(self._hop), fault=fault))


def _refusal(stage: Stage, reply: Reply) -> RecipientOutcome:
    return RecipientOutcome(Verdict.REFUSED if reply.code >= 500 else Verdict.DEFERRED, stage, reply)
