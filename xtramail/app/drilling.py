"""What rehearses outages, made in order."""

from __future__ import annotations

from typing import Any

from xtramail.app.card import drill_words
from xtramail.app.outgoing import Outgoing
from xtramail.app.settings import Settings
from xtramail.delivery.canary import Canaries
from xtramail.delivery.drill import Drills
from xtramail.delivery.intake import Intake
from xtramail.delivery.submission import Submission
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
        self._service = Driller(
            reactor,
            visits=self.drills,
            fault=lambda error: maillog.alarm(kind="drill", text=f"{type(error).__name__}: {error}"),
        )

    def start(self) -> None:
        self._service.startService()

    def stop(self) -> None:
        if self._service.running:
            self._service.stopService()
