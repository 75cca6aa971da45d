"""A small world for mail coming in: four domains on a memory engine, a set clock, a primary told what to say."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tests.desks import operator
from xtramail.delivery.acceptance import Acceptance, Receipts
from xtramail.delivery.arrival import Accepted, Arrival
from xtramail.delivery.audit import Audit
from xtramail.delivery.intake import Intake
from xtramail.delivery.notices import Notices
from xtramail.delivery.own_mail import OwnMail
from xtramail.delivery.policy import Policy, PolicySettings
from xtramail.delivery.rates import SendingRates
from xtramail.delivery.routing import NameServiceDown, NoMailHost
from xtramail.delivery.submission import Submission
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.desk import Desk
from xtramail.directory.directory import Directory
from xtramail.directory.domains import add_domain
from xtramail.directory.keyring import Keyring
from xtramail.directory.rewriting import Rewriting
from xtramail.directory.users import add_user
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import PrimaryDown
from xtramail.model.ids import IdSource, MessageId, id_from_text
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending, drive
from xtramail.store import accounts, bodies, domains, keys, mailboxes, messages, outbound, schema, tracking
from xtramail.store.blocks import BlockRow
from xtramail.store.engine import Engine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.message_row import MessageRow
from xtramail.store.records import Account, DomainRow, LedgerRow, LogEvent, QueueEntry

PEER = Peer(address="192.0.2.7", port=40_000, helo="mail.sender.example", esmtp=True)
HOSTNAME = "mx.host.example"
KEYRING = Keyring(keys={"k1": b"1" * 32}, current="k1")
HOLD = 14 * 86_400.0
MESSAGE = (
    b"From: Zoe <zoe@sender.example>\r\nTo: ann@local.example\r\nSubject: Re: plans\r\n"
    b"Message-ID: <m1@sender.example>\r\nDate: Wed, 31 Dec 2025 23:00:00 +0000\r\n\r\nHello Ann.\r\n"
)


@dataclass
class Primary:
    """What the primary says to each local part; None: it does not answer."""

    knows: dict[str, Reply | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def ask(self, domain: DomainRow, address: Address) -> Pending[Reply]:
        self.asked.append(str(address))
        reply = self.knows.get(address.local_key, Reply.of(550, "5.1.1", "who?"))
        return Pending.failed(PrimaryDown()) if reply is None else Pending.of(reply)


@dataclass
class Log:
    """``AcceptanceLog`` that remembers."""

    accepts: list[Accepted] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def accepted(self, accepted: Accepted) -> None:
        self.accepts.append(accepted)

    def copy_skipped(self, arrival: Arrival, account: str) -> None:
        self.skips.append(account)

    def domain_full(self, arrival: Arrival, account: str) -> None:
        self.skips.append(f"domain of {account}")

    def report_lost(self, arrival: Arrival, cause: str) -> None:
        self.lost.append(cause)

    def refused(self, arrival: Arrival, reply: Reply, cause: str) -> None:
        self.refusals.append((reply.text, cause))


class ScriptedHosts:
    """``routing.MailHosts``: ``known`` by domain; what is not known is its own host."""

    def __init__(self) -> None:
        self.known: dict[str, list[tuple[int, str]] | str] = {}

    def mail_hosts(self, domain: str) -> Pending[list[tuple[int, str]]]:
        found = self.known.get(domain, [(0, domain)])
        if found == "down":
            return Pending.failed(NameServiceDown("DNS does not answer"))
        if isinstance(found, str):
            return Pending.failed(NoMailHost(found))
        return Pending.of(found)


def failed(error: BaseException) -> None:
    raise error


class World:
    engine: Any

    def __init__(
        self,
        *,
        engine: Engine | None = None,
        message_size: int = 50 << 20,
        clock: SetClock | None = None,
        receipts: Receipts | None = None,
    ) -> None:
        """A new world; on an ``engine`` that was used before, the world that is on it."""
        self.engine = engine if engine is not None else MemoryEngine()
        self.clock = clock or SetClock()
        self.ids = IdSource(self.clock)
        self.primary = Primary()
        self.log = Log()
        self.directory = Directory(engine=self.engine, clock=self.clock, asker=self.primary)
        settings = PolicySettings(hostname=HOSTNAME, message_size=message_size)
        policy = Policy(
            engine=self.engine,
            directory=self.directory,
            rewriting=Rewriting(engine=self.engine, keyring=KEYRING, clock=self.clock),
            clock=self.clock,
            settings=settings,
        )
        self.hosts = ScriptedHosts()
        self.untold: list[str] = []
        self.own_mail = OwnMail(
            engine=self.engine,
            policy=policy,
            clock=self.clock,
            ids=self.ids,
            hostname=HOSTNAME,
            hold_seconds=HOLD,
        )
        self.notices = Notices(
            directory=self.directory,
            hosts=self.hosts,
            own_mail=self.own_mail,
            untold=lambda entry, why: self.untold.append(why),
        )
        acceptance = Acceptance(
            engine=self.engine,
            policy=policy,
            ids=self.ids,
            log=self.log,
            hold_seconds=HOLD,
            receipts=receipts or self.notices,
        )
        self.intake = Intake(
            engine=self.engine, policy=policy, acceptance=acceptance, clock=self.clock, ids=self.ids
        )
        self.blocked: list[BlockRow] = []
        self.rates = SendingRates(
            engine=self.engine, directory=self.directory, clock=self.clock, told=self.blocked.append, fault=failed
        )
        self.submission = Submission(
            engine=self.engine,
            directory=self.directory,
            policy=policy,
            acceptance=acceptance,
            rates=self.rates,
            clock=self.clock,
            ids=self.ids,
        )
        schema.open_format(self.engine)
        if self.directory.domain("local.example") is None:
            self._populate()
        self.ann = self.desk.account(Address.parse("ann@local.example"))
        self.bob = self.desk.account(Address.parse("bob@local.example"))
        self.ray = self.desk.account(Address.parse("ray@relay.example"))

    def _populate(self) -> None:
        hosts = (("primary.example", 25),)
        self.domain("local.example")
        self.domain("relay.example", primaries=hosts, recipients="listed", retention_days=90)
        self.domain("ask.example", primaries=hosts)
        self.domain("any.example", primaries=hosts, recipients="any")
        for address in ("ann@local.example", "bob@local.example", "ray@relay.example"):
            self.user(address)
        self.user("staff@relay.example", kind="list")

    @property
    def desk(self) -> Desk:
        """An operator's."""
        return operator(self.engine, self.clock)

    def domain(self, name: str, **options: Any) -> DomainRow:
        return drive(add_domain(self.desk, name, **options))

    def user(self, address: str, *, quota: int = 0, kind: Any = "user") -> Account:
        return drive(add_user(self.desk, Address.parse(address), quota=quota, kind=kind))

    def change_domain(self, name: str, **changes: Any) -> None:
        scope = keys.domain_scope(name)
        row = self.engine.read(scope, domains.get_domain)
        assert row is not None
        changed = replace(row, **changes)
        self.engine.transact(scope, lambda txn: domains.put_domain(txn, changed)).result()

    def change_account(self, account: Account, **changes: Any) -> None:
        changed = replace(account, **changes)
        self.engine.transact(keys.user_scope(account.id), lambda txn: accounts.put_account(txn, changed)).result()

    # Mail in.

    def receive(
        self, *recipients: str, message: bytes = MESSAGE, sender: str = "zoe@sender.example", peer: Peer = PEER
    ) -> Reply:
        """The reply to the final dot; every recipient must be accepted."""
        return self.send(self.intake.begin(peer), recipients, message, sender)

    def submit(self, account: Account, *recipients: str, message: bytes, sender: str | None = None) -> Reply:
        transaction = self.submission.begin(PEER, account)
        return self.send(transaction, recipients, message, account.address if sender is None else sender)

    def send(
        self, transaction: MailTransaction, recipients: tuple[str, ...], message: bytes, sender: str, step: int = 1000
    ) -> Reply:
        reply = transaction.mail_from(reverse(sender))
        assert reply.code == 250, reply
        for recipient in recipients:
            reply = rcpt(transaction, recipient)
            assert reply.code == 250, (recipient, reply)
        for at in range(0, len(message), step):
            transaction.chunk(message[at : at + step])
        return drive(transaction.commit())

    # What is there.

    def mailbox(self, account: Account, name: str = "INBOX") -> list[MessageRow]:
        def look(snap: Any) -> list[MessageRow]:
            row = mailboxes.mailbox_by_name(snap, name)
            assert row is not None
            return [
                message
                for bucket in messages.counters(snap, row)
                for _, message in messages.message_rows(snap, row.id, bucket, 1, row.uidnext - 1)
            ]

        return self.engine.read(keys.user_scope(account.id), look)

    def octets(self, row: MessageRow) -> bytes:
        return bodies.read(self.engine, row.body)

    def queue(self) -> list[QueueEntry]:
        return self.engine.read(keys.QUEUE, outbound.entries)

    def ledger(self, message_id: int) -> dict[str, LedgerRow]:
        found: dict[str, LedgerRow] = {}
        for bucket in self.engine.buckets():
            found.update(
                self.engine.read(keys.QUEUE, lambda snap, b=bucket: outbound.ledger_of(snap, b, message_id))  # type: ignore[misc]
            )
        return found

    def events(self, message_id: int) -> list[LogEvent]:
        return self.engine.read(keys.LOG, lambda snap: tracking.events_of(snap, message_id))

    def balanced(self) -> bool:
        """By its counts, its rows, and the queue."""
        audit = Audit(self.engine)
        for _ in audit.walk():
            pass
        return not audit.found and self.engine.read(keys.QUEUE, outbound.balance).holds


def reverse(sender: str, **options: Any) -> ReversePath:
    return ReversePath(address=Address.parse(sender) if sender else None, **options)


def forward(recipient: str, **options: Any) -> ForwardPath:
    local, _, domain = recipient.rpartition("@")
    return ForwardPath(address=Address(local=local or domain, domain=domain if local else ""), **options)


def rcpt(transaction: MailTransaction, recipient: str) -> Reply:
    answer = transaction.rcpt_to(forward(recipient))
    return drive(answer) if isinstance(answer, Coroutine) else answer


def id_of(reply: Reply) -> MessageId:
    """Our id, out of the reply to the final dot."""
    assert reply.code == 250, reply
    return id_from_text(reply.lines[0].rpartition(" ")[2])
