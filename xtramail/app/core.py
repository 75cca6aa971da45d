"""Everything that works on the open store, made in order. ``build`` owns what listens and when the store is opened."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from twisted.names import client

from xtramail.app.settings import Settings
from xtramail.delivery.acceptance import Acceptance
from xtramail.delivery.asking import PrimaryAsker
from xtramail.delivery.backoff import Timetable
from xtramail.delivery.dispatch import Dispatch
from xtramail.delivery.intake import Intake
from xtramail.delivery.notices import Notices
from xtramail.delivery.policy import Policy, PolicySettings
from xtramail.delivery.relay import Relay, RelaySettings
from xtramail.delivery.retention import RetentionJob
from xtramail.delivery.routing import Routing, RoutingSettings
from xtramail.delivery.submission import Submission
from xtramail.directory.directory import Directory
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.directory.keyring import Keyring, create_keyring, load_keyring
from xtramail.directory.login import Login
from xtramail.mailbox.look import Looks
from xtramail.mailbox.session import MailboxLimits, MailboxServices
from xtramail.model.bucket import CLASS_HELD, CLASS_LOG, bucket_class, bucket_day
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput
from xtramail.model.ids import IdSource
from xtramail.net.dns import MailHostLookup
from xtramail.net.housekeeping import Housekeeping
from xtramail.net.relay_log import RelayLog
from xtramail.net.relay_service import RelayService
from xtramail.net.smtp_client import CourierSettings, SmtpCourier
from xtramail.net.smtp_log import SmtpLog
from xtramail.net.tls_client import ClientContexts
from xtramail.net.worker import ThreadWorker, WorkerSettings
from xtramail.store import keys, schema
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics

DAY = 86_400.0


def relay_settings(settings: Settings, owner: str) -> RelaySettings:
    relay = settings.relay
    return RelaySettings(owner=owner, timetable=Timetable(steps=relay.retry, jitter=relay.jitter_percent / 100))


def routing_settings(settings: Settings) -> RoutingSettings:
    return RoutingSettings(smarthost=settings.relay.smarthost, tls=settings.relay.tls)


def courier_settings(settings: Settings) -> CourierSettings:
    relay = settings.relay
    return CourierSettings(
        hostname=settings.server.hostname[0],
        connect=relay.connect_timeout,
        greeting=relay.greeting_timeout,
        command=relay.command_timeout,
        data=relay.data_timeout,
        block=relay.block_timeout,
        final=relay.final_timeout,
        ask=settings.ask.timeout,
    )


def open_keyring(path: Path, *, fresh: bool) -> Keyring:
    """The pepper of passwords; made for a ``fresh`` store, BadInput when an old one has lost it."""
    try:
        return load_keyring(path)
    except FileNotFoundError:
        if not fresh:
            raise BadInput(f"the password keys {path} are missing; restore that file from a backup") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    return create_keyring(path)


def keep_days(engine: Engine, settings: Settings) -> None:
    """The store's own retention classes follow the settings."""

    def put(txn: Txn) -> None:
        schema.set_retention_days(txn, CLASS_LOG, settings.tracking_days)
        schema.set_retention_days(txn, CLASS_HELD, settings.relay.hold_days + 1)

    def days(snap: Snapshot) -> dict[int, int]:
        return {number: row.days for number, row in schema.retention_classes(snap).items()}

    kept = engine.read(keys.STORE, days)
    if (kept.get(CLASS_LOG), kept.get(CLASS_HELD)) != (settings.tracking_days, settings.relay.hold_days + 1):
        engine.transact(keys.STORE, put)


class Core:
    """The parts that the edges and the command line use."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: LmdbEngine,
        keyring: Keyring,
        clock: Clock,
        reactor: Any,
        metrics: Metrics,
        resolver: Any = None,
    ) -> None:
        """``resolver`` is Twisted Names' (the machine's own when None)."""
        self.settings = settings
        self.engine = engine
        hostname = settings.server.hostname[0]
        hold = settings.relay.hold_days * DAY
        ids = IdSource(clock)
        self.relay_log = RelayLog(metrics)
        self.smtp_log = SmtpLog(metrics)
        self.courier = SmtpCourier(reactor, settings=courier_settings(settings), contexts=ClientContexts())
        self.directory = Directory(
            engine=engine,
            clock=clock,
            asker=PrimaryAsker(self.courier),
            keep_yes=settings.ask.keep_yes,
            keep_no=settings.ask.keep_no,
        )
        self.policy = Policy(
            engine=engine,
            directory=self.directory,
            clock=clock,
            settings=PolicySettings(
                hostname=hostname,
                message_size=settings.limits.message_size,
                reserve_percent=settings.store.reserve_percent,
                questions=settings.ask.per_message,
                question_seconds=settings.ask.total,
            ),
        )
        acceptance = Acceptance(engine=engine, policy=self.policy, ids=ids, log=self.smtp_log, hold_seconds=hold)
        self.intake = Intake(
            engine=engine,
            policy=self.policy,
            acceptance=acceptance,
            clock=clock,
            ids=ids,
            received_hops=settings.limits.received_hops,
        )
        self.submission = Submission(
            engine=engine, directory=self.directory, policy=self.policy, acceptance=acceptance, clock=clock, ids=ids
        )
        if resolver is None:
            resolver = client.Resolver("/etc/resolv.conf")  # type: ignore[no-untyped-call]
        hosts = MailHostLookup(resolver)
        self.routing = Routing(directory=self.directory, hosts=hosts, settings=routing_settings(settings))
        run = secrets.token_hex(8)
        self.relay = Relay(
            engine=engine,
            courier=self.courier,
            routing=self.routing,
            notices=Notices(
                engine=engine,
                directory=self.directory,
                policy=self.policy,
                hosts=hosts,
                clock=clock,
                ids=ids,
                hostname=hostname,
                hold_seconds=hold,
                untold=self.relay_log.untold,
            ),
            clock=clock,
            settings=relay_settings(settings, run),
            log=self.relay_log.attempt,
        )
        self.dispatch = Dispatch(engine=engine, clock=clock, concurrency=settings.relay.concurrency)
        self.retention = RetentionJob(
            engine=engine,
            clock=clock,
            run=run,
            on_drop=lambda dropped: maillog.bucket_dropped(
                day=bucket_day(dropped.bucket), retention_class=bucket_class(dropped.bucket), moved=dropped.moved
            ),
            on_pause=lambda reason: maillog.expiry_paused(reason=reason),
        )
        login = settings.login
        self.worker = ThreadWorker(
            reactor,
            WorkerSettings(
                threads=login.threads or os.cpu_count() or 1,
                queue=login.queue,
                each=login.queue_per_account,
                wait=login.wait,
            ),
        )
        guard_limits = GuardLimits(
            window=login.window,
            per_block=login.failures_per_block,
            per_account_and_address=login.failures_per_account,
        )
        self.login = Login(
            accounts=self.directory,
            keyring=keyring,
            worker=self.worker,
            guard=Guard(clock, guard_limits),
            clock=clock,
            on_failure=maillog.login_refused,
            cost=login.bcrypt_cost,
            remember=login.remember,
        )
        self.mailboxes = MailboxServices(
            engine=engine,
            looks=Looks(engine),
            clock=clock,
            ids=ids,
            limits=MailboxLimits(message_octets=settings.limits.message_size),
        )
        self.relay_service = RelayService(
            reactor,
            engine=engine,
            relay=self.relay,
            dispatch=self.dispatch,
            courier=self.courier,
            fault=self.relay_log.fault,
        )
        self.housekeeping = Housekeeping(
            reactor,
            engine=engine,
            retention=self.retention,
            fault=lambda error: maillog.alarm(kind="expiry", text=f"{type(error).__name__}: {error}"),
        )

    def reload(self, settings: Settings) -> None:
        """What of the relay can change while it runs; what is under way ends by the old settings."""
        self.relay.settings = relay_settings(settings, self.relay.settings.owner)
        self.routing.settings = routing_settings(settings)
        self.courier.settings = courier_settings(settings)
        self.dispatch.concurrency = settings.relay.concurrency
