"""The composition root: what listens, what is open, and in which order it starts and stops.

Ports are bound first, perhaps as root; the store is opened after that, as the service's user; then the doors open. At
the end the doors close first, connections get their time to finish, and the store is closed last.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from twisted.application import strports
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList

from xtramail.app.accepting import Accepting
from xtramail.app.alarm_count import count_alarms
from xtramail.app.core import Core, keep_days, open_keyring
from xtramail.app.imap import ALPN as IMAP_ALPN
from xtramail.app.imap import imap_services
from xtramail.app.own_certificates import OwnCertificates
from xtramail.app.paths import Paths
from xtramail.app.pop3 import ALPN, pop3_services
from xtramail.app.settings import Limits as LimitSection
from xtramail.app.settings import Settings
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.domains import all_domains
from xtramail.model.clock import SystemClock
from xtramail.model.outcome import OPEN_FATES
from xtramail.model.peer import Peer
from xtramail.net.adapter import start
from xtramail.net.certificate_store import CertificateStore, Fault
from xtramail.net.certificates import Identity
from xtramail.net.connection_service import ConnectionService
from xtramail.net.door import Door
from xtramail.net.imap_factory import ImapFactory
from xtramail.net.imap_service import ImapService
from xtramail.net.limits import Limits, LimitSettings
from xtramail.net.metrics_http import metrics_site
from xtramail.net.pop3_server import Pop3Factory
from xtramail.net.smtp_server import SmtpFactory
from xtramail.net.smtp_service import SmtpCollaborators, SmtpService, SmtpTimes
from xtramail.net.tls import ServerContexts, TlsService
from xtramail.net.turn_watch import TurnWatch
from xtramail.net.turns import turn_end_of
from xtramail.store import keys, outbound, schema
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.records import Account
from xtramail.store.server_lock import ServerLock
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics
from xtramail.wire.smtp.server_config import Role, SmtpServerConfig

RELOADABLE = frozenset(
    {
        "limits.connections",
        "limits.unauthenticated-per-address",
        "limits.new-per-minute",
        "limits.logged-in-per-account",
        "limits.handshakes-per-address",
        "relay.retry",
        "relay.jitter-percent",
        "relay.concurrency",
        "relay.tls",
        "relay.smarthost",
        "relay.connect-timeout",
        "relay.greeting-timeout",
        "relay.command-timeout",
        "relay.data-timeout",
        "relay.block-timeout",
        "relay.final-timeout",
        "ask.timeout",
        "imap.hide",
        "alerts.mail",
        "alerts.webhook",
        "alerts.secret",
        "alerts.authorities",
        "alerts.every",
    }
)
"""Keys of the settings that SIGHUP puts in force; the others wait for a restart."""
_CLIENTS = ("smtp", "submission", "submissions", "imaps", "imap", "pop3s", "pop3")
_DOORS = (*_CLIENTS, "lmtp")
_SPARE_DESCRIPTORS = 200
"""For the store, logs, relay connections and what else is not a client."""


class Server(MultiService):
    """The whole server: what listens binds in ``privilegedStartService``, the rest begins in ``startService``."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._settings = settings
        self._reactor = reactor
        self._clock = SystemClock()
        self._metrics = Metrics()
        self._stop_counting: Callable[[], None] = lambda: None
        self._certificates = CertificateStore(
            settings.certificate_folder, default_name=settings.server.hostname[0]
        )
        self._tls = TlsService(
            self._certificates,
            reactor=reactor,
            now=self._clock.now,
            check=settings.certificates.check,
            rotate=settings.certificates.rotate,
            on_reload=self._certificates_told,
        )
        self._own = OwnCertificates(
            settings.certificate_folder, settings.server.hostname, reactor=reactor, now=self._clock.now
        )
        self._turns = TurnWatch(reactor, slow=self._metrics.turn_slow)
        direct = settings.server.direct_tls
        self._accepting = Accepting(reactor)
        self._doors = {name: Door(direct=direct, reserve=self._accepting.reserve) for name in _DOORS}
        self._lock: ServerLock | None = None
        self._engine: LmdbEngine | None = None
        self._core: Core | None = None
        self._limits: Limits | None = None
        self._services: list[ConnectionService] = []
        self._imap: tuple[ImapService, ...] = ()
        for name, door in self._doors.items():
            for endpoint in getattr(settings.listen, name):
                listening = self._listen(endpoint, door)
                listening.endpoint = door.fitted(listening.endpoint)
        for endpoint in settings.listen.metrics:
            self._listen(endpoint, metrics_site(self._metrics.registry))

    def _listen(self, endpoint: str, factory: Any) -> Any:
        service: Any = strports.service(endpoint, cast(Any, factory), self._reactor)
        service.setServiceParent(self)
        return service

    def startService(self) -> None:
        """Open the store, make everything that works on it, and open the doors. StoreBusy, StoreFault, BadInput,
        FormatMismatch and CertificateFault say why not."""
        settings, paths = self._settings, Paths.of(self._settings, None)
        self._stop_counting = count_alarms(self._metrics)
        paths.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = ServerLock(paths.store)
        self._own.startService()
        self._tls.startService()
        self._engine = LmdbEngine(
            paths.store,
            deliver=self._reactor.callFromThread,
            defer=turn_end_of(self._reactor),
            create=True,
            map_size=settings.store.map_size,
            group_jobs=settings.store.group_jobs,
            group_octets=settings.store.group_size,
            on_corrupt=lambda bucket, scope, key: maillog.alarm(
                kind="corrupt", text=f"bucket {bucket} scope {scope!r} key {key.hex()}: run xtramail verify"
            ),
            alarm=lambda text: self._reactor.callFromThread(partial(maillog.alarm, kind="store", text=text)),
        )
        schema.open_format(self._engine)
        keyring = open_keyring(paths.keys, fresh=not all_domains(self._engine))
        keep_days(self._engine, settings)
        maillog.store_opened(path=paths.store, size=self._engine.used_bytes())
        self._core = Core(
            settings,
            engine=self._engine,
            keyring=keyring,
            clock=self._clock,
            reactor=self._reactor,
            metrics=self._metrics,
        )
        self._accepting.say = self._core.say
        self._limits = Limits(limit_settings(settings.limits), self._clock)
        self._open_doors(self._core, self._limits)
        self._watch(self._core)
        for service in (self._core.worker, self._core.relay_service, self._core.prober, self._core.housekeeping):
            service.startService()
        self._core.alerting.start()
        self._core.people.start()
        self._core.drilling.start()
        self._core.self_checks.start()
        self._core.published_keys.startService()
        self._core.changes_log.start()
        self._turns.startService()
        super().startService()  # type: ignore[no-untyped-call]

    def _open_doors(self, core: Core, limits: Limits) -> None:
        mx = self._smtp("smtp", core, limits, Role.MX)
        lmtp = self._smtp("lmtp", core, limits, Role.LMTP)
        submission = self._smtp("submission", core, limits, Role.SUBMISSION)
        submissions = self._smtp("submissions", core, limits, Role.SUBMISSION, tls_active=True)
        imap_contexts = self._tls.contexts(alpn=IMAP_ALPN)
        imaps, imap = imap_services(
            self._settings,
            core,
            limits=limits,
            reactor=self._reactor,
            metrics=self._metrics,
            contexts=imap_contexts,
        )
        self._imap = (imaps, imap)
        pop3_contexts = self._tls.contexts(alpn=ALPN)
        pop3s, pop3 = pop3_services(
            self._settings,
            core,
            limits=limits,
            reactor=self._reactor,
            metrics=self._metrics,
            contexts=pop3_contexts,
        )
        self._services = [mx, lmtp, submission, submissions, imaps, imap, pop3s, pop3]
        doors = self._doors
        doors["smtp"].open(SmtpFactory(mx))
        doors["lmtp"].open(SmtpFactory(lmtp))
        doors["submission"].open(SmtpFactory(submission))
        doors["submissions"].open(SmtpFactory(submissions), contexts=self._smtp_contexts(core, tickets=True))
        doors["imaps"].open(ImapFactory(imaps), contexts=imap_contexts)
        doors["imap"].open(ImapFactory(imap))
        doors["pop3s"].open(Pop3Factory(pop3s), contexts=pop3_contexts)
        doors["pop3"].open(Pop3Factory(pop3))

    def _smtp(self, name: str, core: Core, limits: Limits, role: Role, *, tls_active: bool = False) -> SmtpService:
        settings, section = self._settings, self._settings.limits
        config = SmtpServerConfig(
            hostname=settings.server.hostname[0],
            role=role,
            tls_active=tls_active,
            size_limit=section.message_size,
            recipients_limit=section.recipients,
            errors_before_delay=section.errors_delay,
            errors_limit=section.errors_close,
            idle_commands_limit=section.idle_commands,
            auth_failures_limit=settings.login.failures_per_connection,
        )
        times, outward = settings.timeouts, core.outward
        begin: dict[Role, Callable[[Peer, Account | None], MailTransaction]] = {
            Role.MX: lambda peer, _account: core.journal.before(peer, outward.begin(peer)),
            Role.LMTP: lambda peer, _account: core.lmtp.begin(peer),
            Role.SUBMISSION: outward.begin_submission,
        }
        tickets = role is not Role.MX or settings.certificates.smtp_tickets
        return SmtpService(
            name=name,
            config=config,
            times=SmtpTimes(
                handshake=times.handshake,
                command=times.smtp_command,
                stress=times.smtp_stress,
                login=times.submission_login,
                rate_grace=times.rate_grace,
                rate_octets=times.rate_octets,
                failed_login=settings.login.least,
            ),
            collaborators=SmtpCollaborators(
                reactor=self._reactor,
                limits=limits,
                log=core.smtp_log,
                begin=begin[role],
                needs_no_login=outward.needs_no_login,
                login=core.login if role is Role.SUBMISSION else None,
                watch_account=outward.watch if role is Role.SUBMISSION else None,
                tls_context=None if tls_active else self._smtp_contexts(core, tickets=tickets),
            ),
        )

    def _smtp_contexts(self, core: Core, *, tickets: bool) -> ServerContexts:
        return self._tls.contexts(
            alpn=(b"smtp",), tickets=tickets, asks=lambda: core.relay_clients.wants_certificates
        )

    def _watch(self, core: Core) -> None:
        watch = self._metrics.watch
        watch("store_used_octets", "What the store occupies.", lambda: float(core.engine.used_bytes()))
        watch("store_free_octets", "What can still be written.", lambda: float(core.engine.free_bytes()))
        watch("relay_under_way", "Attempts under way.", lambda: float(core.dispatch.under_way))
        watch("recipients_waiting", "Recipients whose mail waits to be handed on.", lambda: waiting(core.engine))
        watch("logins_waiting", "Passwords being checked or waiting for it.", lambda: float(core.worker.waiting))
        figures = core.engine.figures
        watch("store_longest_hold_seconds", "Longest time the write lock was held.", lambda: figures.longest_hold)

    def _certificates_told(self, identities: tuple[Identity, ...], faults: tuple[Fault, ...]) -> None:
        certificates_told(identities, faults)
        if self._core is None:
            # Before the store is open the log alone has it.
            return
        for fault in faults:
            text = f"A certificate is not used: {fault.file}: {fault.reason}; {fault.served}. See: xtramail cert list"
            self._core.say("certificate-refused", "", text, {"file": str(fault.file)})

    def stopService(self) -> Deferred[None]:
        """Doors first, then at most ``server.drain`` seconds for what is under way, the store last."""
        self._accepting.reserve.stop()
        maillog.server_stopping(connections=self._limits.open if self._limits is not None else 0)
        listening: Any = super().stopService()  # type: ignore[no-untyped-call]
        return start(self._stop(listening))

    async def _stop(self, listening: Any) -> None:
        if listening is not None:
            await listening
        core, drain = self._core, self._settings.server.drain
        if self._services:
            drained = DeferredList([service.drain() for service in self._services])
            late = self._reactor.callLater(drain, self._cut)
            await drained
            if late.active():
                late.cancel()
        if core is not None:
            probing = core.prober.stopService()
            # What is being appended is cut, and written down by the relay as it stops.
            core.outgoing.primary_imap.close()
            # It closes the courier, which cuts probes.
            await core.relay_service.stopService()
            await probing
            core.housekeeping.stopService()
            core.changes_log.stop()
            core.published_keys.stopService()
            core.self_checks.stop()
            core.alerting.stop()
            core.drilling.stop()
            core.people.stop()
            core.worker.stopService()
        for service in (self._tls, self._own, self._turns):
            if service.running:
                service.stopService()
        if self._engine is not None:
            self._engine.close()
        if self._lock is not None:
            self._lock.release()
        self._stop_counting()

    def _cut(self) -> None:
        for service in self._services:
            service.cut()

    def reload(self, settings: Settings) -> frozenset[str]:
        """Certificates again, and the settings that can change; gives the keys in force at once."""
        self._tls.reload()
        if self._core is None or self._limits is None:
            return frozenset()
        self._core.reload(settings)
        self._limits.settings = limit_settings(settings.limits)
        for service in self._imap:
            service.masks = settings.imap.hide
        return RELOADABLE


def waiting(engine: LmdbEngine) -> float:
    """Recipients whose fate is open, by the sums that the ledger keeps: a read a bucket, however long the queue."""
    fates = engine.read(keys.QUEUE, outbound.balance).fates
    return float(sum(fates[fate] for fate in OPEN_FATES))


def limit_settings(section: LimitSection) -> LimitSettings:
    """Limits of connections, cut to what the descriptors of this process allow."""
    wanted = LimitSettings(
        connections=section.connections,
        unauthenticated_per_address=section.unauthenticated_per_address,
        new_per_minute=section.new_per_minute,
        logged_in_per_account=section.logged_in_per_account,
        handshakes_per_address=section.handshakes_per_address,
    )
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The services share the descriptors (the few of a local MTA are spare ones); a tenth stays free, so that accept
    # never fails.
    room = max((descriptors * 9 // 10 - _SPARE_DESCRIPTORS) // len(_CLIENTS), 10)
    if 0 < wanted.connections <= room:
        return wanted
    maillog.limits_cut(limit="connections", wanted=wanted.connections, given=room)
    return replace(wanted, connections=room)


def certificates_told(identities: tuple[Identity, ...], faults: tuple[Fault, ...]) -> None:
    """The log's line about a look at the certificate folder."""
    names = tuple(name for identity in identities for name in identity.names)
    maillog.certificates_loaded(
        names=names, not_after=min((identity.not_after for identity in identities), default=None)
    )
    for fault in faults:
        maillog.certificate_refused(file=fault.file, reason=fault.reason, served=fault.served)


def build(settings: Settings, reactor: Any) -> Server:
    """Everything of one server, not yet started. ``settings.server.hostname`` has at least one name."""
    return Server(settings, reactor)
