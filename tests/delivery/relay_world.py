"""A small world for mail going out: the world of mail coming in, with a courier that says what a test tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.delivery.world import HOLD as HOLD
from tests.delivery.world import World
from xtramail.delivery.backoff import Timetable
from xtramail.delivery.courier import Body, Carried, Hop
from xtramail.delivery.dispatch import Dispatch
from xtramail.delivery.overdue import Overdue, overdue
from xtramail.delivery.refusal_guard import RefusalGuard
from xtramail.delivery.relay import Attempt, Relay, RelaySettings
from xtramail.delivery.routing import Routing, RoutingSettings
from xtramail.delivery.sent_back import Filed, SentBack, SentCopy
from xtramail.delivery.suppression import Suppression
from xtramail.delivery.turn import Turn
from xtramail.delivery.watch import Watch
from xtramail.directory.holding import hold_domain
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.envelope import Envelope
from xtramail.model.errors import PrimaryDown, XtramailError
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import Pending, drive
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine
from xtramail.store.outages import Transition
from xtramail.store.records import DomainRow, QueueEntry
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict


@dataclass
class Call:
    """One message that the relay handed to the courier."""

    hop: Hop
    envelope: Envelope
    body: Body
    message: str
    before_dot: Callable[[tuple[int, ...]], Pending[None]]
    carried: Pending[Carried] = field(default_factory=Pending)

    @property
    def recipients(self) -> list[str]:
        return [str(path.address) for path in self.envelope.forward_paths]

    def octets(self) -> bytes:
        return b"".join(self.body.chunks())

    def says(self, *outcomes: RecipientOutcome, fault: str = "") -> Carried:
        """One outcome for all, or one for each."""
        if len(outcomes) == 1:
            outcomes = outcomes * len(self.envelope.forward_paths)
        return Carried(outcomes=outcomes, host=str(self.hop), fault=fault)


Script = Callable[[Call], Carried | None]
"""What the host does with a message; None: nothing yet, the test settles ``call.carried``."""


def outcome(verdict: Verdict, stage: Stage, reply: Reply | None = None) -> RecipientOutcome:
    return RecipientOutcome(verdict=verdict, stage=stage, reply=reply)


OK = outcome(Verdict.DELIVERED, Stage.FINAL, Reply.of(250, "2.0.0", "taken"))


def accept(call: Call) -> Carried:
    """Takes the message: reads it, waits for the attempt row, answers the dot."""
    return after_dot(OK)(call)


def after_dot(*outcomes: RecipientOutcome) -> Script:
    """Accepts every recipient, then says this to the dot. Without attempt row there is no dot."""

    def script(call: Call) -> Carried:
        try:
            call.octets()
            call.before_dot(tuple(range(len(call.recipients)))).result()
        except Exception as error:
            return call.says(outcome(Verdict.DEFERRED, Stage.DATA), fault=f"given up: {type(error).__name__}")
        return call.says(*outcomes)

    return script


def refuse(stage: Stage, code: int, enhanced: str = "", text: str = "no") -> Script:
    """A reply to all recipients at that stage."""
    verdict = Verdict.REFUSED if code >= 500 else Verdict.DEFERRED
    reply = Reply.of(code, enhanced, text)
    if stage is Stage.FINAL:
        return after_dot(outcome(verdict, stage, reply))
    return lambda call: call.says(outcome(verdict, stage, reply), fault=f"{stage}: {reply.text}")


def lose(stage: Stage, fault: str = "connection lost") -> Script:
    """The connection goes at that stage; at FINAL after the dot."""
    if stage is Stage.FINAL:
        return after_dot(outcome(Verdict.UNCONFIRMED, stage))
    return lambda call: call.says(outcome(Verdict.DEFERRED, stage), fault=fault)


def wait(call: Call) -> None:
    return None


class ScriptedCourier:
    """``script`` is for every host but those in ``hosts``; ``calls`` are the messages that it was given."""

    def __init__(self) -> None:
        self.script: Script = accept
        self.hosts: dict[str, Script] = {}
        self.calls: list[Call] = []
        self.taken: list[tuple[str, str, bytes]] = []
        """Recipient, reverse-path and octets of everything that some host has taken or may have taken."""

    def carry(
        self,
        hop: Hop,
        envelope: Envelope,
        body: Body,
        *,
        message: str,
        before_dot: Callable[[tuple[int, ...]], Pending[None]],
    ) -> Pending[Carried]:
        call = Call(hop=hop, envelope=envelope, body=body, message=message, before_dot=before_dot)
        self.calls.append(call)
        said = self.hosts.get(hop.host, self.script)(call)
        if said is not None:
            call.carried.settle(said)
        call.carried.when_done(lambda done: self._take(call, done.result()))
        return call.carried

    def ask(self, hop: Hop, address: Address) -> Pending[Reply]:
        return Pending.failed(PrimaryDown())

    def probe(self, hop: Hop) -> Pending[None]:
        return Pending.failed(PrimaryDown())

    def _take(self, call: Call, carried: Carried) -> None:
        sender = call.envelope.reverse_path.address
        for recipient, one in zip(call.recipients, carried.outcomes, strict=True):
            if one.verdict in (Verdict.DELIVERED, Verdict.UNCONFIRMED):
                self.taken.append((recipient, str(sender or ""), call.octets()))


@dataclass
class ScriptedMail:
    """``PrimaryMail``: what lies at the primary by address and Message-ID, and who asked; None: nobody can look."""

    there: set[tuple[str, str]] | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def has(self, domain: DomainRow, address: str, message_id: str) -> Pending[bool | None]:
        self.asked.append((address, message_id))
        return Pending.of(None if self.there is None else (address, message_id) in self.there)


class ScriptedSentMailboxes:
    """``SentMailboxes`` that keep what is filed, and say what a test tells them."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, tuple[str, str], bytes]] = []
        """Address, what it is known by, and octets."""
        self.answers: list[Filed] = []
        """In place of the usual ones; ``there`` None keeps the message, too."""

    def file(self, domain: DomainRow, copy: SentCopy, before: Callable[[], Pending[None]]) -> Pending[Filed]:
        if any((address, known) == (copy.address, copy.known_by) for address, known, _ in self.kept):
            return Pending.of(Filed(True, "imap.example:993", "there already"))
        answer = self.answers.pop(0) if self.answers else Filed(True, "imap.example:993", "filed")
        if answer.there is not False:
            try:
                before().result()
            except XtramailError as error:
                return Pending.of(Filed(False, "imap.example:993", type(error).__name__))
            self.kept.append((copy.address, copy.known_by, b"".join(copy.body.chunks())))
        return Pending.of(answer)


class RelayWorld(World):
    """The queue of ``World`` with what empties it."""

    def __init__(
        self,
        *,
        engine: Engine | None = None,
        clock: SetClock | None = None,
        courier: Any = None,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        """See ``World``; ``courier`` a scripted one unless given, ``chance`` is the retry timetable's."""
        super().__init__(engine=engine, clock=clock)
        self.courier = courier if courier is not None else ScriptedCourier()
        self.chance = chance
        self.attempts: list[Attempt] = []
        self.steps: list[tuple[str, Transition]] = []
        self.routing = Routing(directory=self.directory, hosts=self.hosts, settings=RoutingSettings())
        self.primary_mail = ScriptedMail()
        self.sent_mailboxes = ScriptedSentMailboxes()
        self.runs = 0
        self.start()

    def start(self) -> None:
        """A new run of the server on the same store."""
        self.runs += 1
        self.relay = self.other_relay(f"run {self.runs}")
        self.dispatch = Dispatch(engine=self.engine, clock=self.clock, concurrency=5)
        self.watch = Watch(
            engine=self.engine, directory=self.directory, clock=self.clock, told=lambda *step: self.steps.append(step)
        )
        drive(self.dispatch.begin())

    def other_relay(self, owner: str) -> Relay:
        return Relay(
            engine=self.engine,
            courier=self.courier,
            routing=self.routing,
            notices=self.notices,
            turn=Turn(
                directory=self.directory,
                suppression=Suppression(engine=self.engine, directory=self.directory),
                primary_mail=self.primary_mail,
            ),
            guard=RefusalGuard(engine=self.engine, directory=self.directory, clock=self.clock),
            clock=self.clock,
            ids=self.ids,
            settings=RelaySettings(owner=owner, timetable=Timetable(steps=(60.0, 600.0))),
            log=self.attempts.append,
            chance=self.chance,
            sent_back=SentBack(directory=self.directory, mailboxes=self.sent_mailboxes),
            rates=self.rates,
        )

    def deliver(self, entry: QueueEntry | int) -> Attempt | None:
        return drive(self.relay.deliver(entry if isinstance(entry, int) else entry.id))

    def hold(self, domain: str) -> None:
        drive(hold_domain(self.desk, domain, reason=""))

    def only(self) -> QueueEntry:
        """The one entry of the queue."""
        (entry,) = self.queue()
        return entry

    def fates(self, message_id: int) -> dict[str, Fate]:
        """By recipient, out of the ledger."""
        return {address: Fate(row.fate) for address, row in self.ledger(message_id).items()}

    def ticks(self, times: int = 1, seconds: float = 0.0) -> None:
        """What the service does: take, work, give back; so many rounds, ``seconds`` apart."""
        for _ in range(times):
            self.clock.advance(seconds)
            for entry_id in self.overdue().expired:
                if self.dispatch.claim(entry_id):
                    self._work(entry_id, self.relay.expire)
            taken = self.dispatch.take()
            for destination in taken.drained:
                drive(self.watch.drained(destination))
            for entry_id in taken.start:
                self._work(entry_id, self.relay.deliver)

    def overdue(self) -> Overdue:
        return self.engine.read(keys.QUEUE, lambda snap: overdue(snap, self.clock.now()))

    def _work(self, entry_id: int, work: Any) -> None:
        try:
            attempt = drive(work(entry_id))
        except XtramailError:
            self.dispatch.failed(entry_id)
            return
        drive(self.dispatch.done(entry_id, attempt))
        if attempt is not None and attempt.entry.for_primary:
            drive(self.watch.saw(attempt.entry.destination, attempt.signs))

    def due(self) -> list[str]:
        now = self.clock.now()
        return self.engine.read(keys.QUEUE, lambda snap: outbound.due_destinations(snap, now))
