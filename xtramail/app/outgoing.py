"""What hands mail on, made in order: used by the server, and by the command line where it gives mail up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.names import client

from xtramail.app.promised_hosts import PromisedHosts
from xtramail.app.settings import Settings
from xtramail.delivery.asking import PrimaryAsker
from xtramail.delivery.backoff import Timetable
from xtramail.delivery.dispatch import KNOCK
from xtramail.delivery.notices import Notices
from xtramail.delivery.own_mail import OwnMail
from xtramail.delivery.policy import Policy, PolicySettings
from xtramail.delivery.rates import SendingRates
from xtramail.delivery.refusal_guard import RefusalGuard
from xtramail.delivery.relay import Attempt, Relay, RelaySettings
from xtramail.delivery.routing import Routing, RoutingSettings
from xtramail.delivery.sent_back import SentBack
from xtramail.delivery.signing import NO_KEYS, Keys
from xtramail.delivery.suppression import Suppression
from xtramail.delivery.turn import Turn
from xtramail.directory.directory import Directory
from xtramail.directory.rewriting import Rewriting
from xtramail.model.clock import Clock
from xtramail.model.ids import IdSource
from xtramail.net.dns import MailHostLookup, TextLookup
from xtramail.net.primary_imap import PrimaryImap
from xtramail.net.smtp_client import CourierSettings, SmtpCourier
from xtramail.net.tls_client import ClientContexts
from xtramail.store.blocks import BlockRow
from xtramail.store.engine import Engine
from xtramail.store.records import QueueEntry
from xtramail.telemetry import maillog

DAY = 86_400.0


def relay_settings(settings: Settings, owner: str) -> RelaySettings:
    relay = settings.relay
    return RelaySettings(owner=owner, timetable=Timetable(steps=relay.retry, jitter=relay.jitter_percent / 100))


def knock_seconds(settings: Settings) -> float:
    """Between two attempts at a host that does not answer: quicker where retries are."""
    return min(KNOCK, *settings.relay.retry)


def routing_settings(settings: Settings) -> RoutingSettings:
    return RoutingSettings(
        smarthost=settings.relay.smarthost, tls=settings.relay.tls, authorities=str(settings.dns.authorities or "")
    )


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


class Outgoing:
    """Directory, policy and relay on one open store."""

    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine,
        clock: Clock,
        ids: IdSource,
        reactor: Any,
        run: str,
        rewriting: Rewriting,
        log: Callable[[Attempt], None],
        untold: Callable[[QueueEntry, str], None],
        resolver: Any = None,
        imap_refused: Callable[[str, str], None] = lambda domain, text: None,
        signing: Keys = NO_KEYS,
        blocked: Callable[[BlockRow], None] = lambda row: None,
    ) -> None:
        """``settings`` have a host name. ``run`` names this process in leases, ``rewriting`` the
        senders of what is forwarded. ``log`` and ``untold``: see Relay and
        Notices. ``resolver`` is Twisted Names' (the machine's own when None). ``imap_refused``: see PrimaryImap."""
        hostname = settings.server.hostname[0]
        contexts = ClientContexts()
        self.courier = SmtpCourier(reactor, settings=courier_settings(settings), contexts=contexts)
        self._promised = None
        if settings.dns.validating:
            self._promised = PromisedHosts(settings, engine=engine, clock=clock, reactor=reactor, contexts=contexts)
        self.directory = Directory(
            engine=engine,
            clock=clock,
            asker=PrimaryAsker(self.courier),
            keep_yes=settings.ask.keep_yes,
            keep_no=settings.ask.keep_no,
            operator=tuple(settings.alerts.mail),
        )
        self.policy = Policy(
            engine=engine,
            directory=self.directory,
            rewriting=rewriting,
            clock=clock,
            settings=PolicySettings(
                hostname=hostname,
                message_size=settings.limits.message_size,
                reserve_percent=settings.store.reserve_percent,
                questions=settings.ask.per_message,
                question_seconds=settings.ask.total,
            ),
        )
        if resolver is None:
            resolver = client.Resolver("/etc/resolv.conf", reactor=reactor)  # type: ignore[no-untyped-call]
        hosts = MailHostLookup(resolver)
        self.texts = TextLookup(resolver)
        self.primary_imap = PrimaryImap(reactor, refused=imap_refused)
        self.routing = Routing(
            directory=self.directory,
            hosts=hosts,
            settings=routing_settings(settings),
            promised=self._promised.hosts if self._promised is not None else None,
        )
        self.own_mail = OwnMail(
            engine=engine,
            policy=self.policy,
            clock=clock,
            ids=ids,
            hostname=hostname,
            hold_seconds=settings.relay.hold_days * DAY,
            keys=signing,
        )
        self.notices = Notices(directory=self.directory, hosts=hosts, own_mail=self.own_mail, untold=untold)
        self.rates = SendingRates(
            engine=engine,
            directory=self.directory,
            clock=clock,
            told=blocked,
            fault=maillog.fault_alarm("sending-block"),
        )
        self.relay = Relay(
            engine=engine,
            courier=self.courier,
            routing=self.routing,
            notices=self.notices,
            turn=Turn(
                directory=self.directory,
                suppression=Suppression(engine=engine, directory=self.directory),
                primary_mail=self.primary_imap,
            ),
            guard=RefusalGuard(engine=engine, directory=self.directory, clock=clock),
            clock=clock,
            ids=ids,
            settings=relay_settings(settings, run),
            log=log,
            sent_back=SentBack(directory=self.directory, mailboxes=self.primary_imap),
            rates=self.rates,
        )

    def close(self) -> None:
        """Hang up everywhere, and wait for no name server any more; what is under way is cut (and told as such)."""
        if self._promised is not None:
            self._promised.close()
        self.courier.close()

    def reload(self, settings: Settings) -> None:
        """What can change while it runs; what is under way ends by the old settings."""
        self.relay.settings = relay_settings(settings, self.relay.settings.owner)
        self.routing.settings = routing_settings(settings)
        self.courier.settings = courier_settings(settings)
