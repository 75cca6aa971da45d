"""What the server does for its users beside their mail, made in order: when and from where they came is kept, cards are
mailed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xtramail.app.card import down_words
from xtramail.app.settings import Settings
from xtramail.delivery.cards import Cards
from xtramail.delivery.own_mail import OwnMail
from xtramail.directory.device_logins import DeviceLogins
from xtramail.directory.directory import Directory
from xtramail.directory.known_blocks import KnownBlocks
from xtramail.directory.login_times import LoginTimes
from xtramail.model.clock import Clock
from xtramail.net.adapter import start
from xtramail.net.rounds import Rounds
from xtramail.store import keys
from xtramail.store.engine import Engine
from xtramail.telemetry import maillog

LOGIN_SECONDS = 10.0
CARD_SECONDS = 30.0
EXPIRED_SECONDS = 2.0


class _CardLog:
    """``delivery.cards.CardLog``."""

    def mailed(self, account: str, to: str, domain: str, message_id: int) -> None:
        maillog.card_mailed(account=account, to=to, domain=domain, message_id=message_id)

    def not_mailed(self, account: str, to: str, domain: str, reason: str) -> None:
        maillog.card_not_mailed(account=account, to=to, domain=domain, reason=reason)


class People:
    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine,
        directory: Directory,
        own_mail: OwnMail,
        device_logins: DeviceLogins,
        clock: Clock,
        reactor: Any,
    ) -> None:
        """``settings`` have a host name."""
        self._engine = engine
        self._unwatch: Callable[[], None] | None = None
        self.login_times = LoginTimes(engine, clock)
        self.known_blocks = KnownBlocks(engine, clock)
        cards = Cards(
            engine=engine,
            directory=directory,
            own_mail=own_mail,
            clock=clock,
            words=lambda domain, account, since: down_words(settings, domain, account, since),
            log=_CardLog(),
        )
        self._logins = Rounds(reactor, work=self._flush, every=LOGIN_SECONDS, fault=maillog.fault_alarm("logins"))
        self._expired = Rounds(
            reactor, work=device_logins.end_expired, every=EXPIRED_SECONDS, fault=maillog.fault_alarm("devices")
        )
        self._cards = Rounds(reactor, work=cards.look, every=CARD_SECONDS, fault=maillog.fault_alarm("cards"))

    def start(self) -> None:
        self._logins.startService()
        self._expired.startService()
        self._cards.startService()
        # Each step of a primary raises an alert.
        self._unwatch = self._engine.watch(keys.ALERTS, self._cards.ask)

    def stop(self) -> None:
        """What was collected is written before the store is closed."""
        if self._unwatch is not None:
            self._unwatch()
        for rounds in (self._cards, self._expired, self._logins):
            if rounds.running:
                rounds.stopService()
        for flush in (self.login_times.flush, self.known_blocks.flush):
            # Not one after the other: the store is closed when both are asked of it.
            start(flush()).addErrback(lambda _: None)

    async def _flush(self) -> None:
        await self.login_times.flush()
        await self.known_blocks.flush()
