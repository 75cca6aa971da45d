"""Alerts on their way to people: who is told of each, when, and until when it is tried.

An alert was written down with its cause (``store/alerts``). Here it gets its addresses, once: those of its domain and
those of the operator. Programs (webhooks) are told of every step of a primary at once and in order, people by mail at
most once in ``every`` seconds for each kind and domain: what comes in between joins the next mail, which says how
often. Mail is told when it lies in our own queue, in the same commit; a webhook when it answered 2xx, else it is tried
again for a day. Killed between its answer and our commit, the same call is made again, with the same id.

Owns no socket and no timer: ``net/alert_service`` looks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from xtramail.delivery.alert_text import body, message
from xtramail.delivery.outside_route import outside_route
from xtramail.delivery.own_mail import OwnMail
from xtramail.delivery.webhook import Answer, Call, Webhooks
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import text
from xtramail.directory.step_words import KIND as PRIMARY_STATE
from xtramail.model.bucket import CLASS_HELD
from xtramail.model.clock import Clock
from xtramail.model.errors import Unavailable
from xtramail.model.ids import id_text
from xtramail.model.secret import Secret
from xtramail.store import alerts, keys, outbound
from xtramail.store.alerts import AlertRow, Telling
from xtramail.store.engine import Engine, Txn
from xtramail.telemetry.crashpoint import reach

WAITS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0)
"""Between attempts; the last one repeats."""
AT_A_LOOK = 500
"""Alerts that get their addresses in one look."""
MOST_DUE = 5_000
"""Alerts that are looked through for targets in one look."""
REST = 10.0
"""Seconds in which a webhook that failed is not called, with whatever: it must not hold up the others' calls."""
MOST_COUNTED = 10_000
"""Waiting messages are counted up to here: a look must not walk a queue of any length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """What the operator wants to hear, of every domain and of the server."""

    mail: tuple[str, ...] = ()
    webhook: str = ""
    secret: Secret = Secret("")
    every: float = 300.0
    """Least seconds between two mails of one kind and domain."""
    give_up: float = 86_400.0
    """Seconds after which a webhook that does not take an alert is asked no more."""


class AlertLog(Protocol):
    def raised(self, row: AlertRow) -> None:
        """It has its addresses."""

    def tried(self, row: AlertRow, telling: Telling) -> None:
        """One attempt: told, given up, or still owed."""


@dataclass(frozen=True, slots=True)
class Due:
    alert: int
    index: int
    """Of the telling in its row."""
    target: str


class Alerts:
    """``settings`` may change while it runs."""

    def __init__(
        self,
        *,
        engine: Engine,
        directory: Directory,
        own_mail: OwnMail,
        webhooks: Webhooks,
        clock: Clock,
        settings: AlertSettings,
        log: AlertLog,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._own_mail = own_mail
        self._webhooks = webhooks
        self._clock = clock
        self.settings = settings
        self._log = log
        self._failed: dict[str, float] = {}
        """URL, and when (monotonic) it failed last."""

    # Addresses.

    async def address(self) -> None:
        """Give every alert its addresses whose time for that has come."""
        for row in [row for row in self._owing(MOST_DUE) if not row.addressed][:AT_A_LOOK]:
            known = self._engine.read(keys.ALERTS, partial(alerts.topic, kind=row.kind, domain=row.domain))
            later = known.told + self.settings.every
            if row.kind not in alerts.EACH and later > self._clock.now() >= known.told:
                await self._engine.transact(keys.ALERTS, partial(_look_later, alert_id=row.id, at=later))
                continue
            given = await self._engine.transact(
                keys.ALERTS,
                partial(self._give, alert_id=row.id, tellings=self._tellings(row), waiting=self._waiting(row)),
            )
            reach("alerts.after-address")
            if given is not None:
                self._log.raised(given)

    def _tellings(self, row: AlertRow) -> tuple[Telling, ...]:
        """Each target once; a domain's own setting before the operator's."""
        hooks: list[Telling] = []
        mails: list[Telling] = []
        domain = self._directory.domain(row.domain) if row.domain else None
        if domain is not None:
            hooks.append(Telling(channel="webhook", target=text(domain, "alert-webhook"), whose="domain"))
            addresses = text(domain, "alert-mail").split(",")
            mails += [Telling(channel="mail", target=one, whose="domain") for one in addresses]
        hooks.append(Telling(channel="webhook", target=self.settings.webhook, whose="operator"))
        mails += [Telling(channel="mail", target=one, whose="operator") for one in self.settings.mail]
        found: dict[str, Telling] = {}
        for one in [*hooks, *(mails if mailed(row) else [])]:
            if one.target:
                found.setdefault(one.target, one)
        return tuple(found.values())

    def _waiting(self, row: AlertRow) -> str:
        if row.kind != PRIMARY_STATE:
            return ""
        places = self._engine.read(
            keys.QUEUE, partial(outbound.arrivals, destination=row.domain, limit=MOST_COUNTED + 1)
        )
        return str(len(places)) if len(places) <= MOST_COUNTED else f"{MOST_COUNTED}+"

    def _give(self, txn: Txn, *, alert_id: int, tellings: tuple[Telling, ...], waiting: str) -> AlertRow | None:
        row, now = alerts.alert(txn, alert_id), self._clock.now()
        if row is None or row.addressed:
            return None
        known = alerts.topic(txn, row.kind, row.domain)
        at = now
        if row.kind == PRIMARY_STATE and known.told <= now:
            at = max(now, known.told + self.settings.every)
        if any(one.channel == "mail" for one in tellings):
            if at > now:
                row = replace(row, count=row.count + _join(txn, known.waiting, now))
                known = replace(known, waiting=row.id)
            else:
                known = replace(known, told=now, waiting=0)
            alerts.put_topic(txn, row.kind, row.domain, known)
        elif row.kind not in alerts.EACH:
            # Programs are spared the storm, too.
            alerts.put_topic(txn, row.kind, row.domain, replace(known, told=now))
        owed = tuple(replace(one, due=at if one.channel == "mail" else now, at=now) for one in tellings)
        fields = {**row.fields, "waiting": waiting} if waiting else row.fields
        given = replace(row, addressed=True, tellings=owed, fields=fields)
        alerts.put(txn, given)
        return given

    # Telling.

    def due(self) -> list[Due]:
        """What is to be told now: the oldest of each target, so that nobody hears of an end before its beginning."""
        now, found = self._clock.now(), dict[str, Due]()
        rested = self._clock.monotonic() - REST
        for row in self._owing(MOST_DUE):
            for index, one in enumerate(row.tellings):
                if one.state != "owed" or one.due > now or self._failed.get(one.target, rested) > rested:
                    continue
                if one.target not in found or row.id < found[one.target].alert:
                    found[one.target] = Due(row.id, index, one.target)
        return list(found.values())

    def _owing(self, limit: int) -> list[AlertRow]:
        return self._engine.read(keys.ALERTS, partial(alerts.owing, now=self._clock.now(), limit=limit))

    async def tell(self, due: Due) -> Telling | None:
        """One attempt; None when there was nothing to do. Errors of the store pass through, and it stays owed."""
        row = self._engine.read(keys.ALERTS, partial(alerts.alert, alert_id=due.alert))
        if row is None or row.tellings[due.index].state != "owed":
            return None
        one = row.tellings[due.index]
        came = await (self._mail(row, due.index) if one.channel == "mail" else self._post(row, due.index))
        self._log.tried(row, came)
        return came

    async def _post(self, row: AlertRow, index: int) -> Telling:
        one = row.tellings[index]
        secret = self._secret(row, one)
        if secret is None:
            answer = Answer(good=False, text="its setting is gone")
        else:
            call = Call(id=str(row.id), url=one.target, body=body(row, self._own_mail.hostname), secret=secret)
            answer = await self._webhooks.post(call)
            self._failed.pop(one.target, None)
            if not answer.good:
                self._failed[one.target] = self._clock.monotonic()
        reach("alerts.after-post")
        came = self._came(row, one, answer, gone=secret is None)
        await self._engine.transact(keys.ALERTS, partial(_write, alert_id=row.id, index=index, came=came))
        return came

    def _came(self, row: AlertRow, one: Telling, answer: Answer, *, gone: bool) -> Telling:
        now, attempts = self._clock.now(), one.attempts + 1
        if answer.good:
            return replace(one, state="told", attempts=attempts, answer=answer.text, at=now)
        due = now + WAITS[min(attempts, len(WAITS)) - 1]
        if gone or due > row.at + self.settings.give_up:
            return replace(one, state="given-up", attempts=attempts, answer=answer.text, at=now)
        return replace(one, attempts=attempts, answer=answer.text, due=due)

    def _secret(self, row: AlertRow, one: Telling) -> Secret | None:
        """With what it is signed; None when the URL is nobody's any more."""
        if one.whose == "operator":
            return self.settings.secret if one.target == self.settings.webhook else None
        domain = self._directory.domain(row.domain)
        if domain is None or text(domain, "alert-webhook") != one.target:
            return None
        return Secret(text(domain, "alert-secret"))

    async def _mail(self, row: AlertRow, index: int) -> Telling:
        now, one = self._clock.now(), row.tellings[index]
        route = outside_route(self._directory, one.target)
        if isinstance(route, str):
            came = replace(one, state="given-up", attempts=one.attempts + 1, answer=route, at=now)
            await self._engine.transact(keys.ALERTS, partial(_write, alert_id=row.id, index=index, came=came))
            return came
        octets = message(row, index, hostname=self._own_mail.hostname, now=now)
        try:
            written = await self._own_mail.write(octets, [route], retention_class=CLASS_HELD, now=now)
            came = replace(
                one, state="told", attempts=one.attempts + 1, answer=f"queued as {id_text(written.message_id)}", at=now
            )
            told = partial(_write, alert_id=row.id, index=index, came=came, mailed=now)
            await self._engine.transact_all([*written.parts, (keys.ALERTS, told)])
            reach("alerts.after-mail")
        except Unavailable as error:
            came = replace(one, attempts=one.attempts + 1, answer=error.text, due=now + WAITS[1])
            await self._engine.transact(keys.ALERTS, partial(_write, alert_id=row.id, index=index, came=came))
        return came


def mailed(row: AlertRow) -> bool:
    """Whether people are written to: not of a primary that only was under suspicion."""
    if row.kind != PRIMARY_STATE:
        return True
    before, after = row.fields.get("from"), row.fields.get("to")
    return after != "suspect" and (before, after) != ("suspect", "up")


def _join(txn: Txn, waiting: int, now: float) -> int:
    """Take back the mail of an earlier alert that still waits for its time; of how many alerts it was to tell."""
    row = alerts.alert(txn, waiting) if waiting else None
    if row is None:
        return 0
    waits = [one.channel == "mail" and one.state == "owed" and one.due > now for one in row.tellings]
    if not any(waits):
        return 0
    tellings = tuple(
        replace(one, state="joined", at=now) if joins else one
        for one, joins in zip(row.tellings, waits, strict=True)
    )
    alerts.put(txn, replace(row, tellings=tellings))
    return row.count


def _look_later(txn: Txn, *, alert_id: int, at: float) -> None:
    row = alerts.alert(txn, alert_id)
    if row is not None and not row.addressed:
        alerts.put(txn, replace(row, look_at=at))


def _write(txn: Txn, *, alert_id: int, index: int, came: Telling, mailed: float = 0.0) -> None:
    row = alerts.alert(txn, alert_id)
    if row is None:
        return
    tellings = (*row.tellings[:index], came, *row.tellings[index + 1 :])
    alerts.put(txn, replace(row, tellings=tellings))
    if mailed and row.kind == PRIMARY_STATE:
        known = alerts.topic(txn, row.kind, row.domain)
        waiting = 0 if known.waiting == row.id else known.waiting
        alerts.put_topic(txn, row.kind, row.domain, replace(known, told=mailed, waiting=waiting))
