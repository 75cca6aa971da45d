"""Served domains: added, changed, held and removed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import msgspec

from xtramail.directory import journal_addresses, relay_clients, round_trips
from xtramail.directory.domain_settings import SETTINGS, regular, text
from xtramail.directory.imap_access import access_of
from xtramail.directory.primaries import step
from xtramail.directory.users import refuse_while_open, users_of
from xtramail.model.address import domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain
from xtramail.model.host import parse_host as parse_host
from xtramail.model.primary import Event
from xtramail.store import accounts, domains, keys, logins, outages, outbound, schema
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import DomainRow

TlsWord = Literal["none", "opportunistic", "required", "verify"]
RecipientsWord = Literal["ask", "listed", "any"]
TLS_MODES: tuple[TlsWord, ...] = ("none", "opportunistic", "required", "verify")
RECIPIENT_MODES: tuple[RecipientsWord, ...] = ("ask", "listed", "any")
MAX_DAYS = 3_650
W = TypeVar("W", bound=str)


@dataclass(frozen=True, slots=True)
class DomainChange:
    """One validated ``key=value`` of ``domain set``; of field ``settings`` the value is a name with its text."""

    field: str
    value: object


def require(engine: Engine, name: str) -> DomainRow:
    """NoSuchDomain when it is not served."""
    row = engine.read(keys.domain_scope(domain_key(name)), domains.get_domain)
    if row is None:
        raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
    return row


def all_domains(engine: Engine) -> list[DomainRow]:
    return domains.domain_rows(engine)


def _one_of(field: str, value: str, choices: tuple[W, ...]) -> W:
    for choice in choices:
        if value == choice:
            return choice
    raise BadInput(f"{field} {value!r}: choose one of {', '.join(choices)}")


def _days(value: int) -> int:
    if not 1 <= value <= MAX_DAYS:
        raise BadInput(f"retention-days {value}: a number from 1 to {MAX_DAYS}")
    return value


async def add_domain(
    engine: Engine,
    name: str,
    *,
    now: float,
    primaries: tuple[tuple[str, int], ...] = (),
    primary_tls: str = "opportunistic",
    primary_ca: str = "",
    retention_days: int = 30,
    recipients: str = "",
    quota: int = 0,
) -> DomainRow:
    """Serve a domain from this moment on. Without ``primaries`` it is local: mailboxes only.

    ``recipients`` empty: ``ask`` with a primary, ``listed`` without.
    """
    key = domain_key(name)
    mode = _one_of("recipients", recipients or ("ask" if primaries else "listed"), RECIPIENT_MODES)
    if mode == "ask" and not primaries:
        raise BadInput("recipients ask: there is no primary to ask; give --primary or choose listed")
    tls = _one_of("primary-tls", primary_tls, TLS_MODES)
    _days(retention_days)
    scope = keys.domain_scope(key)
    taken = f"domain {key} exists already; change it with: xtramail domain set {key}"
    if engine.read(scope, domains.get_domain) is not None:
        raise AlreadyExists(taken)
    retention_class = await engine.transact(
        keys.STORE, lambda txn: schema.new_retention_class(txn, retention_days, key)
    )
    row = DomainRow(
        name=key,
        retention_class=retention_class,
        retention_days=retention_days,
        primaries=primaries,
        primary_tls=tls,
        primary_ca=primary_ca,
        recipients=mode,
        continuity=True,
        smarthost="",
        smarthost_user="",
        smarthost_password="",
        quota=quota,
        created=now,
        settings={},
    )

    def put(txn: Txn) -> None:
        if domains.get_domain(txn) is not None:
            raise AlreadyExists(taken)
        domains.put_domain(txn, row)

    await engine.transact(scope, put)
    return row


def parse_change(key: str, value: str) -> DomainChange:
    """``key=value`` as the command line gives it; BadInput names the key, its rule, and what else there is."""
    match key:
        case "primary":
            hosts = tuple(parse_host(host) for host in value.replace(",", " ").split())
            return DomainChange(field="primaries", value=hosts)
        case "primary-tls":
            return DomainChange(field="primary_tls", value=_one_of(key, value, TLS_MODES))
        case "primary-ca":
            return DomainChange(field="primary_ca", value=value)
        case "recipients":
            return DomainChange(field="recipients", value=_one_of(key, value, RECIPIENT_MODES))
        case "continuity":
            return DomainChange(field="continuity", value=_one_of(key, value, ("on", "off")) == "on")
        case "retention-days":
            if not value.isascii() or not value.isdigit() or len(value) > 6:
                raise BadInput(f"retention-days {value!r}: a number from 1 to {MAX_DAYS}")
            return DomainChange(field="retention_days", value=_days(int(value)))
        case "smarthost":
            if value:
                parse_host(value, 587)
            return DomainChange(field="smarthost", value=value)
        case "smarthost-user":
            return DomainChange(field="smarthost_user", value=value)
    if key in SETTINGS:
        return DomainChange(field="settings", value=(key, regular(key, value)))
    known = "primary primary-tls primary-ca recipients continuity retention-days smarthost smarthost-user".split()
    raise BadInput(f"setting {key!r}: there is no such setting; choose one of {', '.join([*known, *SETTINGS])}")


async def set_domain(engine: Engine, name: str, changes: list[DomainChange]) -> DomainRow:
    """All of ``changes`` or none."""
    row = require(engine, name)
    fields = {change.field: change.value for change in changes if change.field != "settings"}
    own: dict[str, str] = dict(c.value for c in changes if c.field == "settings" and isinstance(c.value, tuple))

    def change(txn: Txn) -> DomainRow:
        current = domains.get_domain(txn)
        if current is None:
            raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
        # An empty value is the default's, also when that changes one day.
        kept = {name: value for name, value in {**current.settings, **own}.items() if value}
        changed = msgspec.structs.replace(current, settings=kept, **fields)
        if changed.recipients == "ask" and not changed.primaries:
            raise BadInput("recipients ask: there is no primary to ask; set primary=HOST or recipients=listed")
        if not changed.continuity and not changed.primaries:
            raise BadInput("continuity off: without a primary its mail would be nowhere; set primary=HOST first")
        if text(changed, "sent-back-by") == "imap" and access_of(changed) is None:
            raise BadInput("sent-back-by imap: where to? set primary-imap=HOST and primary-imap-secret=- as well")
        round_trips.check(changed)
        relay_clients.check(changed)
        journal_addresses.check(changed)
        domains.put_domain(txn, changed)
        return changed

    def days(txn: Txn) -> None:
        if "retention_days" in fields:
            schema.set_retention_days(txn, row.retention_class, int(str(fields["retention_days"])))

    results = await engine.transact_all(
        [
            (keys.domain_scope(row.name), change),
            (keys.STORE, days),
            (keys.DOMAIN_CHANGES, domains.settings_changed),
        ]
    )
    changed: DomainRow = results[0]
    return changed


async def hold_domain(engine: Engine, name: str, *, reason: str, now: float, by: str = "admin") -> DomainRow:
    """Keep the queue of a domain closed; mail goes on arriving and being read. BadInput for one without a primary."""
    row = require(engine, name)
    if not row.primaries:
        raise BadInput(f"domain {row.name} is local: there is no primary to keep mail from")
    await step(engine, row.name, Event.HOLD, cause=reason or "held by the admin", now=now, by=by, held_by="admin")
    return row


async def release_domain(engine: Engine, name: str, *, now: float, by: str = "admin") -> DomainRow:
    """Open the queue of a held domain, by whatever it is held: what waits is given back, the oldest first.

    Windows of maintenance that run now are taken back, for they would close it again.
    """
    row = require(engine, name)
    await engine.transact(keys.domain_scope(row.name), lambda txn: outages.end_windows(txn, now))
    await step(engine, row.name, Event.RELEASE, cause="released", now=now, by=by)
    return row


async def remove_domain(engine: Engine, name: str) -> DomainRow:
    """Stop serving a domain. NotPermitted while mail has an open fate; kept copies go with their days."""
    row = require(engine, name)
    users = users_of(engine, row.name)

    def open_queue(txn: Txn) -> None:
        # Mail to it goes out into the world from now on; a hold that nobody could release must not keep it.
        outbound.clear_destination(txn, row.name)

    await engine.transact_all(
        [
            (keys.QUEUE, refuse_while_open(row.name)),
            (keys.QUEUE, open_queue),
            (keys.domain_scope(row.name), domains.delete_domain),
            (keys.DOMAIN_CHANGES, domains.settings_changed),
        ]
        + [(keys.user_scope(account.id), accounts.delete_account) for account in users]
        + [(keys.LOGINS, partial(logins.forget, account_id=account.id)) for account in users]
    )
    return row
