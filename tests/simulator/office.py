"""One life of a server on a store: the real services on a reactor whose time is told, with people around it."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.delivery.relay_world import RelayWorld
from tests.delivery.world import KEYRING, PEER, forward, id_of, reverse
from tests.simulator.primaries import SimulatedCourier, World
from tests.simulator.stores import Gathered
from tests.simulator.timeline import Reactor, Timeline
from tests.simulator.truth import Acknowledged, Truth
from xtramail.delivery.dispatch import Dispatch
from xtramail.delivery.relay import Attempt
from xtramail.delivery.retention import RetentionJob
from xtramail.delivery.transaction import MailTransaction
from xtramail.delivery.watch import Watch
from xtramail.directory import devices
from xtramail.directory.aliases import set_alias
from xtramail.directory.holding import hold_domain, release_domain
from xtramail.directory.passwords import device_mark
from xtramail.mailbox.look import Looks
from xtramail.mailbox.recovery import deleted, put_back
from xtramail.mailbox.services import MailboxLimits, MailboxServices
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access
from xtramail.model.address import Address
from xtramail.model.clock import day_of
from xtramail.model.errors import Corrupt, XtramailError
from xtramail.model.flags import Flag
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.net.adapter import start
from xtramail.net.prober import Prober
from xtramail.net.relay_service import RelayService
from xtramail.store import keys, outages, outbound
from xtramail.store.devices import devices as device_rows
from xtramail.store.engine import Txn
from xtramail.store.outages import Window
from xtramail.store.records import Account, QueueEntry

DOMAINS = ("relay.example", "brief.example", "any.example")
LOCAL = "@local.example"
"""A domain without a primary."""
USERS = ("ann@local.example", "bob@local.example", "ray@relay.example", "uma@brief.example", "vic@brief.example")
RECIPIENTS = (*USERS, "staff@relay.example", "una@any.example")
ALIASES = {
    "team@local.example": ("ann@local.example", "bob@local.example", "zoe@sender.example"),
    "away@local.example": ("zed@world.example",),
    "desk@local.example": ("ray@relay.example",),
    "sales@relay.example": ("bob@local.example", "zed@world.example"),
}
"""Addresses that stand for others, here and elsewhere."""
SENDERS = ("zoe@sender.example", "", "ray@relay.example")
HOSTS = ("primary.example", "first.example", "second.example")
OUTSIDE = "zoe@sender.example"
INTERVAL = 5.0
"""Seconds between looks at the queue and at primaries; changes of the queue are seen at once."""
MAILBOXES = ("Archive", "Trash", "INBOX")


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that somebody is about to send."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    size: int

    @property
    def message_id(self) -> str:
        return f"<{self.name}@sender.example>"

    def octets(self) -> bytes:
        author = self.sender or "robot@sender.example"
        head = f"From: <{author}>\r\nTo: somebody@local.example\r\nSubject: {self.name}\r\n"
        head += f"Message-ID: {self.message_id}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n"
        return head.encode() + b"A line of text, like any other.\r\n" * (self.size // 33 + 1)


class Office(RelayWorld):
    """``stop`` ends it well, ``die`` does not."""

    def __init__(
        self, *, store: Gathered, timeline: Timeline, world: World, truth: Truth, chance: random.Random
    ) -> None:
        self.truth = truth
        self.world = world
        self.reactor = Reactor(timeline)
        self.randomness = chance
        self.faults: list[str] = []
        truth.life += 1
        truth.engine = store
        super().__init__(
            engine=store, clock=timeline, courier=SimulatedCourier(self.reactor, world), chance=chance.random
        )

    def _populate(self) -> None:
        super()._populate()
        hosts = (("first.example", 25), ("second.example", 25))
        self.domain("brief.example", primaries=hosts, recipients="listed", retention_days=2)
        self.user("uma@brief.example")
        self.user("vic@brief.example")
        for alias, targets in ALIASES.items():
            drive(set_alias(self.desk, alias, targets))

    def start(self) -> None:
        """As ``app.core`` does it."""
        engine, clock, reactor = self.engine, self.clock, self.reactor
        name = f"life {self.truth.life}"
        self.attempts = []
        self.relay = self.other_relay(name)
        self.by_hand = self.other_relay(f"command {name}")
        self.dispatch = Dispatch(engine=engine, clock=clock, concurrency=3)
        self.watch = Watch(
            engine=engine, directory=self.directory, clock=clock, told=lambda *step: self.steps.append(step)
        )
        self.service = RelayService(
            reactor,
            engine=engine,
            clock=clock,
            relay=self.relay,
            dispatch=self.dispatch,
            outgoing=self.courier,
            watch=self.watch,
            fault=lambda entry_id, error: self._fault(error),
            at_risk=lambda risk: None,
            interval=INTERVAL,
        )
        self.prober = Prober(
            reactor, engine=engine, watch=self.watch, courier=self.courier, fault=self._fault, interval=INTERVAL
        )
        self.retention = RetentionJob(
            engine=engine, clock=clock, run=name, on_drop=lambda dropped: None, on_pause=lambda why: None
        )
        self.expiry = LoopingCall(lambda: self.run(self.retention.run()))
        self.expiry.clock = reactor
        self.mail = MailboxServices(
            engine=engine, looks=Looks(engine), clock=clock, ids=self.ids, limits=MailboxLimits()
        )
        engine.live(reactor, self.randomness)
        self.service.startService()
        self.prober.startService()
        self.expiry.start(60.0)

    def other_relay(self, owner: str) -> Any:
        relay = super().other_relay(owner)
        relay._log = self._attempted
        return relay

    def _attempted(self, attempt: Attempt) -> None:
        assert not attempt.unreadable, attempt.unreadable
        self.truth.attempted(attempt)

    def _fault(self, error: BaseException) -> None:
        if not isinstance(error, XtramailError) or isinstance(error, Corrupt):
            self.faults.append(f"{type(error).__name__}: {error}")

    def run(self, work: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """Have it done; what may be refused may be refused, everything else is a bug."""

        def failed(failure: Failure) -> None:
            if not failure.check(XtramailError):
                self.faults.append(failure.getTraceback())

        return start(work).addErrback(failed)

    def check(self) -> None:
        assert not self.faults, "\n".join(self.faults)

    def stop(self) -> None:
        self.prober.stopService()
        self.service.stopService()
        if self.expiry.running:
            self.expiry.stop()

    def die(self) -> None:
        self.courier.die()
        self.reactor.die()

    # People.

    def letter(self, mail: Mail) -> None:
        """Somebody outside sends a message."""
        self.run(self._send(self.intake.begin(PEER), mail, None))

    def submission_of(self, mail: Mail, *, device: int | None = None) -> None:
        """A user sends a message; where ``device`` is given, one who logged in by one of his devices, if he has any."""
        account = self._account(mail.sender)
        if device is not None:
            marks = [mark for mark, owner in self.truth.devices.items() if owner == account.id]
            if not marks:
                return
            account = msgspec.structs.replace(account, device=marks[device % len(marks)])
        self.run(self._send(self.submission.begin(PEER, account), mail, account))

    def adds_device(self, address: str, number: int) -> None:
        self.run(self._adds_device(Address.parse(address), f"device {number}"))

    async def _adds_device(self, address: Address, name: str) -> None:
        secret = await devices.add(self.desk, address, KEYRING, name=name)
        mark = device_mark(secret, KEYRING.keys[KEYRING.current])
        self.truth.devices[mark] = self._account(str(address)).id

    def revokes(self, address: str, number: int) -> None:
        """A user has lost one of his devices."""
        found = devices.of_user(self.desk, Address.parse(address))
        if found:
            self.run(self._revokes(Address.parse(address), found[number % len(found)].device.name))

    async def _revokes(self, address: Address, name: str) -> None:
        account = self._account(str(address))
        rows = self.engine.read(keys.user_scope(account.id), device_rows)
        marks = {mark for mark, row in rows if row.name == name}
        await devices.revoke(self.desk, address, name)
        self.truth.revoked |= marks

    async def _send(self, transaction: MailTransaction, mail: Mail, sender: Account | None) -> None:
        welcome = transaction.mail_from(reverse(mail.sender)).positive
        assert not (welcome and sender is not None and sender.device in self.truth.revoked), "it was revoked"
        if not welcome:
            return
        accepted = []
        for recipient in mail.recipients:
            answer: Any = transaction.rcpt_to(forward(recipient))
            reply = await answer if isinstance(answer, Coroutine) else answer
            if reply.positive:
                accepted.append(recipient)
        octets = mail.octets()
        day = day_of(self.clock.now())
        for at in range(0, len(octets), 30_000):
            pause = transaction.chunk(octets[at : at + 30_000])
            if pause is not None:
                await pause
        reply = await transaction.commit()
        if reply.code != 250:
            assert reply.code in (451, 452), reply
            return
        targets = [one for alias in accepted for one in ALIASES.get(alias, ())]
        # Those of local.example have their copy and no row of their own; a primary is given what was written.
        stands = frozenset(one for one in accepted if one in ALIASES and one.endswith(LOCAL))
        behind = {target for one in stands for target in ALIASES[one] if not target.endswith(LOCAL)} - set(accepted)
        people = dict.fromkeys([*accepted, *targets])
        self.truth.acknowledged(
            Acknowledged(
                name=mail.name,
                message_id=id_of(reply),
                octets=octets,
                header_message_id=mail.message_id,
                sender=mail.sender,
                recipients=(*accepted, *sorted(behind)),
                behind=frozenset(behind),
                stands=stands,
                mailboxes=tuple(self._account(one) for one in people if one in USERS),
                filed=sender,
                days=frozenset({day}),
            )
        )

    def _account(self, address: str) -> Account:
        account = self.desk.account(Address.parse(address))
        assert account is not None
        return account

    def moves(self, address: str, number: int) -> None:
        """A user files one of the messages of one mailbox in another one."""
        self.run(self._moves(self._account(address), number))

    async def _moves(self, account: Account, number: int) -> None:
        source, target = MAILBOXES[number % 3], MAILBOXES[(number + 1) % 3]
        session = Session(self.mail, account)
        try:
            await session.open()
            view = session.select(source, Access.READ_WRITE)
            if view.uids:
                uid = view.uids[number % len(view.uids)]
                await session.store_flags(view, [uid], "add", Flag.SEEN, [])
                await session.move(view, [uid], target)
        finally:
            session.close()

    def deletes(self, address: str, number: int) -> None:
        """A user deletes a message for good."""
        account = self._account(address)
        self.truth.deleted.add(account.id)
        self.run(self._deletes(account, number))

    async def _deletes(self, account: Account, number: int) -> None:
        session = Session(self.mail, account)
        try:
            await session.open()
            view = session.select(MAILBOXES[number % 3], Access.READ_WRITE)
            if view.uids:
                uid = view.uids[number % len(view.uids)]
                await session.store_flags(view, [uid], "add", Flag.DELETED, [])
                await session.expunge(view, [uid])
        finally:
            session.close()

    def restores(self, address: str, number: int) -> None:
        """A user wants back what he deleted."""
        account = self._account(address)
        found = deleted(self.engine, account.id)
        if found:
            one = found[number % len(found)]
            self.run(put_back(self.engine, account.id, [one], self.clock.now()))

    # The administrator.

    def holds_domain(self, name: str) -> None:
        self.run(self._holds_domain(name))

    async def _holds_domain(self, name: str) -> None:
        await hold_domain(self.desk, name, reason="")
        self.truth.closed[name] = self.reactor.seconds()

    def releases_domain(self, name: str) -> None:
        self.truth.closed.pop(name, None)
        # Held and released in one breath, it is told in this order.
        self.run(release_domain(self.desk, name)).addBoth(lambda _: self.truth.closed.pop(name, None))

    def plans(self, name: str, seconds: float) -> None:
        """A planned hold that begins now."""
        now = self.clock.now()
        row = Window(id=keys.micros(now), start=now, end=now + seconds)
        self.engine.transact(keys.domain_scope(name), lambda txn: outages.put_window(txn, row))

    def _picked(self, number: int) -> QueueEntry | None:
        waiting = self.engine.read(keys.QUEUE, outbound.entries)
        return waiting[number % len(waiting)] if waiting else None

    def holds(self, number: int) -> None:
        """One message."""
        entry = self._picked(number)
        if entry is not None:
            held = self.engine.transact(keys.QUEUE, lambda txn: outbound.hold(txn, entry.id, "odd") is not None)
            held.when_done(partial(self.truth.held, entry))

    def releases(self, number: int) -> None:
        entry, now = self._picked(number), self.clock.now()
        if entry is not None:
            self._let_go(entry, lambda txn: outbound.release(txn, entry.id, now) is not None)

    def _let_go(self, entry: QueueEntry, release: Callable[[Txn], bool]) -> None:
        # It may be there before we hear of it, and what was asked before may be written only now.
        self.truth.released(entry)
        self.engine.transact(keys.QUEUE, release).when_done(lambda _: self.truth.released(entry))

    def bounces(self, number: int) -> None:
        entry = self._picked(number)
        if entry is not None:
            self.run(self.by_hand.bounce(entry.id, "given up by the administrator"))

    def releases_all(self) -> None:
        """Whatever was held by whomever may go."""
        now = self.clock.now()
        for name in DOMAINS:
            self.releases_domain(name)
        for entry in self.engine.read(keys.QUEUE, outbound.entries):
            if entry.held:
                doubtful = any(one.fate == Fate.UNCONFIRMED for one in entry.recipients)
                let_go = partial(outbound.insist if doubtful else outbound.release, entry_id=entry.id, now=now)
                self._let_go(entry, lambda txn, let_go=let_go: let_go(txn) is not None)  # type: ignore[misc]
