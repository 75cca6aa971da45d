"""Emergency cards by mail: when a primary goes down, users with an outside address are told how to work on here.

Only where the domain says so (``card-on-down``), once in an outage, and not again within a day, however often the
primary comes and goes. Mail and the row that says so are one commit: killed in between, nobody is told twice or
forgotten. What a card says is passed in; it never has a password.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from xtramail.delivery.outside_route import outside_route
from xtramail.delivery.own_mail import OwnMail
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import switch
from xtramail.directory.primaries import primary_of
from xtramail.directory.users import OUTSIDE, users_of
from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_HELD
from xtramail.model.clock import DAY_SECONDS, Clock
from xtramail.model.primary import State
from xtramail.store import cards, domains, keys
from xtramail.store.cards import CardRow
from xtramail.store.engine import Engine, Txn
from xtramail.store.outages import PrimaryRow
from xtramail.store.records import Account, DomainRow
from xtramail.telemetry.crashpoint import reach
from xtramail.wire.mime.compose import Note, note
from xtramail.wire.mime.dates import format_date

REST = float(DAY_SECONDS)
"""Seconds in which nobody gets a second card."""


class CardLog(Protocol):
    """Both have the address of the user, and the one outside."""

    def mailed(self, account: str, to: str, domain: str, message_id: int) -> None: ...

    def not_mailed(self, account: str, to: str, domain: str, reason: str) -> None:
        """Told once for each user and reason."""


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    text: str


class Cards:
    """``words(domain, account, since)``: what a user is told; ``since`` when his primary went down."""

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        own_mail: OwnMail,
        clock: Clock,
        words: Callable[[DomainRow, Account, float], Words],
        log: CardLog,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._own_mail = own_mail
        self._clock = clock
        self._words = words
        self._log = log
        self._refused: set[tuple[int, str]] = set()

    async def look(self) -> None:
        """Mail what is owed now; errors of the store pass through, and the rest is owed still."""
        for domain in domains.domain_rows(self._engine):
            if not switch(domain, "card-on-down"):
                continue
            primary = primary_of(self._engine, domain.name)
            if primary.state == State.DOWN:
                await self._domain(domain, primary)

    async def _domain(self, domain: DomainRow, primary: PrimaryRow) -> None:
        for account in users_of(self._engine, domain.name):
            outside = account.settings.get(OUTSIDE, "")
            if not outside or account.kind != "user" or account.status != "active":
                continue
            if self._directory.place(Address.parse(account.address)).destination != domain.name:
                # His mailbox is not at the primary: its outage is none of his.
                continue
            last = self._engine.read(keys.domain_scope(domain.name), partial(cards.card, account_id=account.id))
            now = self._clock.now()
            if last.outage == primary.outage or last.at <= now < last.at + REST:
                continue
            await self._mail(domain, account, outside, primary, now)

    async def _mail(self, domain: DomainRow, account: Account, outside: str, primary: PrimaryRow, now: float) -> None:
        route = outside_route(self._directory, outside)
        if isinstance(route, str):
            if (account.id, route) not in self._refused:
                self._refused.add((account.id, route))
                self._log.not_mailed(account.address, outside, domain.name, route)
            return
        words, hostname = self._words(domain, account, primary.since), self._own_mail.hostname
        octets = note(
            Note(
                sender_address=f"postmaster@{hostname}",
                to=outside,
                subject=words.subject,
                text=words.text,
                date=format_date(now),
                message_id=f"<card.{account.id}.{primary.outage}@{hostname}>",
            )
        )
        written = await self._own_mail.write(octets, [route], retention_class=CLASS_HELD, now=now)
        row = CardRow(outage=primary.outage, at=now)

        def mark(txn: Txn) -> None:
            cards.put_card(txn, account.id, row)

        await self._engine.transact_all([*written.parts, (keys.domain_scope(domain.name), mark)])
        reach("cards.after-mail")
        self._log.mailed(account.address, outside, domain.name, written.message_id)
