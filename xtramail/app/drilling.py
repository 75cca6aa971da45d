"""What tries whether all would work in an outage, made in order: drills for people, round trips of canaries."""

from __future__ import annotations

from typing import Any

from xtramail.app.card import drill_words
from xtramail.app.outgoing import Outgoing
from xtramail.app.settings import Settings
from xtramail.delivery.canary import Canaries
from xtramail.delivery.drill import Drills
from xtramail.delivery.intake import Intake
from xtramail.delivery.raising import Say
from xtramail.delivery.round_trip import RoundTrips
from xtramail.delivery.submission import Submission
from xtramail.delivery.watch import Watch
from xtramail.model.clock import Clock
from xtramail.net.driller import Driller
from xtramail.store.engine import Engine
from xtramail.telemetry import maillog


class Drilling:
    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine,
        outgoing: Outgoing,
        intake: Intake,
        submission: Submission,
        watch: Watch,
        say: Say,
        clock: Clock,
        reactor: Any,
    ) -> None:
        """``settings`` have a host name."""
        canaries = Canaries(
            engine=engine,
            intake=intake,
            submission=submission,
            clock=clock,
            relay=outgoing.relay,
            mailboxes=outgoing.primary_imap,
        )
        self.drills = Drills(
            engine=engine,
            directory=outgoing.directory,
            canaries=canaries,
            own_mail=outgoing.own_mail,
            clock=clock,
            words=lambda domain, account, ends: drill_words(settings, domain, account, ends),
        )
        trips = RoundTrips(
            engine=engine,
            directory=outgoing.directory,
            canaries=canaries,
            own_mail=outgoing.own_mail,
            watch=watch,
            say=say,
            clock=clock,
        )
        self._services = [
            Driller(reactor, visits=visits, fault=maillog.fault_alarm(kind))
            for kind, visits in (("drill", self.drills), ("round-trip", trips))
        ]

    def start(self) -> None:
        for service in self._services:
            service.startService()

    def stop(self) -> None:
        for service in self._services:
            if service.running:
                service.stopService()
