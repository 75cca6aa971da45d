"""Everything that works on the open store, made in order. ``build`` owns what listens and when the store is opened."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from twisted.python.failure import Failure

from xtramail.app.alerting import Alerting
from xtramail.app.changes_head import ChangesHead
from xtramail.app.changes_log import ChangesLog
from xtramail.app.drilling import Drilling
from xtramail.app.outgoing import DAY, Outgoing, knock_seconds
from xtramail.app.paths import Paths
from xtramail.app.people import People
from xtramail.app.self_checks import SelfChecks
from xtramail.app.settings import Settings
from xtramail.delivery.acceptance import Acceptance
from xtramail.delivery.dispatch import Dispatch
from xtramail.delivery.drain import Pace
from xtramail.delivery.intake import Intake
from xtramail.delivery.journal import Journal
from xtramail.delivery.lmtp import Lmtp
from xtramail.delivery.outward import Outward
from xtramail.delivery.published_keys import EVERY as LOOK_SECONDS
from xtramail.delivery.published_keys import PublishedKeys
from xtramail.delivery.raising import Saying
from xtramail.delivery.relay_rate import RelayRate
from xtramail.delivery.retention import RetentionJob
from xtramail.delivery.submission import Submission
from xtramail.delivery.turned_away import TurnedAway
from xtramail.delivery.watch import Watch
from xtramail.directory.auth_log import AuthLog
from xtramail.directory.device_logins import DeviceLogins
from xtramail.directory.domain_room import DomainRoom
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.directory.journal_addresses import JournalAddresses
from xtramail.directory.keyring import Keyring, create_keyring, load_keyring
from xtramail.directory.login import SHUT_OUT, Login
from xtramail.directory.relay_clients import RelayClients
from xtramail.directory.renewed_passwords import RenewedPasswords
from xtramail.directory.rewriting import Rewriting
from xtramail.directory.signing_keys import SigningKeys
from xtramail.mailbox.look import Looks
from xtramail.mailbox.services import MailboxLimits, MailboxServices
from xtramail.model.bucket import CLASS_HELD, CLASS_LOG, bucket_class, bucket_day
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput
from xtramail.model.ids import IdSource
from xtramail.model.peer import Peer
from xtramail.model.primary import OUTAGE
from xtramail.net.adapter import start
from xtramail.net.housekeeping import Housekeeping
from xtramail.net.prober import Prober
from xtramail.net.relay_log import RelayLog
from xtramail.net.relay_service import RelayService
from xtramail.net.rounds import Rounds
from xtramail.net.smtp_log import SmtpLog
from xtramail.net.worker import ThreadWorker, WorkerSettings
from xtramail.store import keys, schema
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.outages import Transition
from xtramail.store.records import Account
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


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
        hold = settings.relay.hold_days * DAY
        ids = IdSource(clock)
        self.say = Saying(engine, clock).say
        self.relay_log = RelayLog(metrics, self.say)
        self.smtp_log = SmtpLog(metrics, self.say, TurnedAway(engine, clock))
        run = secrets.token_hex(8)
        signing = SigningKeys(engine, keyring, fault=lambda domain, text: self.say("dkim-key", domain, text))
        self.outgoing = Outgoing(
            settings,
            engine=engine,
            clock=clock,
            ids=ids,
            reactor=reactor,
            run=run,
            rewriting=Rewriting(engine=engine, keyring=keyring, clock=clock),
            log=self.relay_log.attempt,
            untold=self.relay_log.untold,
            resolver=resolver,
            imap_refused=self._imap_refused,
            signing=signing,
            blocked=self.smtp_log.sending_blocked,
        )
        self.directory = self.outgoing.directory
        self.alerting = Alerting(
            settings,
            engine=engine,
            directory=self.directory,
            own_mail=self.outgoing.own_mail,
            clock=clock,
            reactor=reactor,
            metrics=metrics,
        )
        device_logins = DeviceLogins(engine, keyring, clock)
        self.people = People(
            settings,
            engine=engine,
            directory=self.directory,
            own_mail=self.outgoing.own_mail,
            device_logins=device_logins,
            clock=clock,
            reactor=reactor,
        )
        self.policy = self.outgoing.policy
        acceptance = Acceptance(
            engine=engine,
            policy=self.policy,
            ids=ids,
            log=self.smtp_log,
            hold_seconds=hold,
            receipts=self.outgoing.notices,
        )
        self.intake = Intake(
            engine=engine,
            policy=self.policy,
            acceptance=acceptance,
            clock=clock,
            ids=ids,
            received_hops=settings.limits.received_hops,
        )
        self.submission = Submission(
            engine=engine,
            directory=self.directory,
            policy=self.policy,
            acceptance=acceptance,
            rates=self.outgoing.rates,
            clock=clock,
            ids=ids,
            received_hops=settings.limits.received_hops,
            keys=signing,
        )
        self.relay_clients = RelayClients(engine, clock)
        self.outward = Outward(
            clients=self.relay_clients, intake=self.intake, submission=self.submission, rate=RelayRate(clock)
        )
        self.journal = Journal(
            engine=engine,
            directory=self.directory,
            policy=self.policy,
            acceptance=acceptance,
            addresses=JournalAddresses(engine),
            clients=self.relay_clients,
            clock=clock,
            ids=ids,
        )
        self.lmtp = Lmtp(
            engine=engine,
            policy=self.policy,
            acceptance=acceptance,
            clients=self.relay_clients,
            clock=clock,
            ids=ids,
        )
        knock = knock_seconds(settings)
        self.dispatch = Dispatch(
            engine=engine,
            clock=clock,
            concurrency=settings.relay.concurrency,
            knock=knock,
            pace=Pace(rest=2 * knock),
        )
        self.watch = Watch(
            engine=engine, directory=self.directory, clock=clock, told=self._primary_changed
        )
        self.drilling = Drilling(
            settings,
            engine=engine,
            outgoing=self.outgoing,
            intake=self.intake,
            submission=self.submission,
            watch=self.watch,
            say=self.say,
            clock=clock,
            reactor=reactor,
        )
        self.retention = RetentionJob(
            engine=engine,
            clock=clock,
            run=run,
            on_drop=lambda dropped: maillog.bucket_dropped(
                day=bucket_day(dropped.bucket), retention_class=bucket_class(dropped.bucket), moved=dropped.moved
            ),
            on_pause=self._expiry_paused,
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
        self.auth_log = AuthLog(engine, clock)
        self.renewed_passwords = RenewedPasswords(engine, clock)
        self.metrics = metrics
        self.login = Login(
            accounts=self.directory,
            devices=device_logins,
            keyring=keyring,
            worker=self.worker,
            guard=Guard(
                clock,
                guard_limits,
                known=self.people.known_blocks.ages(),
                on_known=self.people.known_blocks.seen,
            ),
            clock=clock,
            on_failure=self._login_refused,
            cost=login.bcrypt_cost,
            remember=login.remember,
            on_success=self._logged_in,
            on_good=self.auth_log.good,
            on_renewed=self._password_renewed,
        )
        self.mailboxes = MailboxServices(
            engine=engine,
            looks=Looks(engine),
            clock=clock,
            ids=ids,
            limits=MailboxLimits(message_octets=settings.limits.message_size),
            room=DomainRoom(engine, clock).fits,
            full=lambda: self.policy.space() is not None,
        )
        self.relay_service = RelayService(
            reactor,
            engine=engine,
            clock=clock,
            relay=self.outgoing.relay,
            dispatch=self.dispatch,
            outgoing=self.outgoing,
            watch=self.watch,
            fault=self.relay_log.fault,
            at_risk=self.relay_log.at_risk,
        )
        self.prober = Prober(
            reactor,
            engine=engine,
            watch=self.watch,
            courier=self.outgoing.courier,
            fault=lambda error: self.relay_log.fault(0, error),
            say=self.say,
        )
        self.housekeeping = Housekeeping(
            reactor,
            engine=engine,
            retention=self.retention,
            fault=maillog.fault_alarm("expiry"),
        )

        self.changes_log = ChangesLog(
            reactor, engine=engine, head=ChangesHead.beside(Paths.of(settings, None).keys)
        )
        published = PublishedKeys(engine=engine, texts=self.outgoing.texts, clock=clock)
        self.published_keys = Rounds(
            reactor, work=published.look, every=LOOK_SECONDS, fault=maillog.fault_alarm("dkim-keys")
        )
        self.self_checks = SelfChecks(
            reactor,
            engine=engine,
            policy=self.policy,
            clock=clock,
            say=self.say,
            metrics=metrics,
            handed=self.relay_log.handed,
        )

    def _logged_in(self, account: Account, service: str) -> None:
        self.people.login_times.seen(account, service)
        self.drilling.drills.seen(account, service)

    def _password_renewed(self, account: Account, stored: str) -> None:
        start(self.renewed_passwords.keep(account, stored)).addErrback(self._not_renewed)

    def _not_renewed(self, failure: Failure) -> None:
        """The old hash stays, and the next login tries again."""
        if failure.value is not None:
            maillog.fault_alarm("password-renewed")(failure.value)

    def _imap_refused(self, domain: str, text: str) -> None:
        """Somebody has to set other credentials: until then nothing is appended at the primary."""
        self.relay_log.imap_refused(domain, text)
        say = f"{text}. Set others: xtramail domain set {domain} primary-imap-secret=-"
        self.say("primary-imap", domain, say)

    def _primary_changed(self, domain: str, step: Transition) -> None:
        self.relay_log.primary_changed(domain, step)
        if step.after in OUTAGE and step.before not in OUTAGE:
            # Its evidence tells who logged in since.
            self.people.login_times.anew()

    def _login_refused(self, *, name: str, peer: Peer, service: str, reason: str) -> None:
        maillog.login_refused(name=name, peer=peer, service=service, reason=reason)
        self.auth_log.refused(name=name, peer=peer, service=service, reason=reason)
        if reason == SHUT_OUT:
            self.metrics.login(service, "shut-out")

    def _expiry_paused(self, reason: str) -> None:
        maillog.expiry_paused(reason=reason)
        text = f"Nothing is expired: {reason}. Look at the clock, then: xtramail expire --dry-run"
        self.say("expiry-paused", "", text)

    def reload(self, settings: Settings) -> None:
        """What of the relay can change while it runs; what is under way ends by the old settings."""
        self.outgoing.reload(settings)
        self.alerting.reload(settings)
        self.dispatch.concurrency = settings.relay.concurrency
        self.dispatch.knock = knock_seconds(settings)
