"""Served domains: added, changed, held and removed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from xtramail.directory import forwarding_names
from xtramail.directory.alert_settings import MAIL, WEBHOOK, refuse_served
from xtramail.directory.alias_targets import refuse_while_leading
from xtramail.directory.desk import Change, Desk, secret_told
from xtramail.directory.domain_rules import check_domain
from xtramail.directory.domain_settings import SETTINGS, regular
from xtramail.directory.imap_access import HOST, IMAPS_PORT
from xtramail.directory.open_mail import refuse_while_open
from xtramail.directory.reachable import HOOK_PORTS, IMAP_PORTS, INSIDE_HOSTS, PORTS, require_reachable
from xtramail.directory.relay_clients import ACCOUNT, AUTHORITIES
from xtramail.directory.tenants import owner_of, still_there
from xtramail.directory.users import users_of
from xtramail.model.actor import Role
from xtramail.model.address import domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain, NotPermitted
from xtramail.model.host import parse_host as parse_host
from xtramail.model.nearest import perhaps
from xtramail.model.size import parse_size
from xtramail.store import accounts, blocks, domains, keys, logins, outbound, roles, schema
from xtramail.store.aliases import get_alias_of
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import DomainRow

TlsWord = Literal["none", "opportunistic", "required", "verify"]
RecipientsWord = Literal["ask", "listed", "any"]
TLS_MODES: tuple[TlsWord, ...] = ("none", "opportunistic", "required", "verify")
RECIPIENT_MODES: tuple[RecipientsWord, ...] = ("ask", "listed", "any")
MAX_DAYS = 3_650
OPERATORS_OWN = frozenset({"primary_ca", "quota", AUTHORITIES, "tenant", INSIDE_HOSTS})
"""Fields and settings that are for operators alone: whose a domain is, how much of this machine it may fill, and what
names files there."""
ROUTE_KEYS = (
    "primary",
    "primary-tls",
    "primary-ca",
    "recipients",
    "continuity",
    "retention-days",
    "quota",
    "smarthost",
    "smarthost-user",
    "tenant",
)
"""What :func:`parse_change` knows beside SETTINGS."""
W = TypeVar("W", bound=str)


@dataclass(frozen=True, slots=True)
class DomainChange:
    """One validated ``key=value`` of ``domain set``; of field ``settings`` the value is a name with its text."""

    field: str
    value: object


def all_domains(engine: Engine) -> list[DomainRow]:
    """For the server's own looks; people see those of their desk (``Desk.domains``)."""
    return domains.domain_rows(engine)


def domain_told(row: DomainRow, before: DomainRow | None = None) -> dict[str, str | int | float | bool | None]:
    """What an audit row says of a domain that was ``before``: no secret."""
    old = before.settings if before is not None else {}
    secret = {ACCOUNT, *(name for name, one in SETTINGS.items() if one.secret)}
    return {
        "primary": ",".join(host_text(host, port) for host, port in row.primaries),
        "primary-tls": row.primary_tls,
        "primary-ca": row.primary_ca,
        "recipients": row.recipients,
        "continuity": row.continuity,
        "retention-days": row.retention_days,
        "smarthost": row.smarthost,
        "smarthost-user": row.smarthost_user,
        "smarthost-password": secret_told(row.smarthost_password, before.smarthost_password if before else ""),
        "quota": row.quota,
        "tenant": row.tenant,
        "verified": not row.unverified,
        **{name: secret_told(v, old.get(name, "")) if name in secret else v for name, v in row.settings.items()},
    }


def host_text(host: str, port: int) -> str:
    """As it is written behind ``--primary``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
    desk: Desk,
    name: str,
    *,
    tenant: str = "",
    primaries: tuple[tuple[str, int], ...] = (),
    primary_tls: str = "opportunistic",
    primary_ca: str = "",
    retention_days: int = 30,
    recipients: str = "",
    quota: int = 0,
    unverified: bool = False,
) -> DomainRow:
    """Serve a domain from this moment on; one that is ``unverified``, or that no operator adds, from when DNS proves
    that it is his (``verification``). Without ``primaries`` it is local: mailboxes only.

    ``recipients`` empty: ``ask`` with a primary, ``listed`` without. ``tenant`` empty: the actor's own. NoSuchTenant.
    """
    key = domain_key(name)
    desk.require(Role.TENANT, f"domain add {key}")
    desk.require_change("domain add")
    if primary_ca:
        desk.require(Role.OPERATOR, "primary-ca, a file of the server")
    for host, port in primaries:
        require_reachable(desk, host, port)
    owner = owner_of(desk, tenant)
    mode = _one_of("recipients", recipients or ("ask" if primaries else "listed"), RECIPIENT_MODES)
    if mode == "ask" and not primaries:
        raise BadInput("recipients ask: there is no primary to ask; give --primary or choose listed")
    tls = _one_of("primary-tls", primary_tls, TLS_MODES)
    _days(retention_days)
    scope = keys.domain_scope(key)
    taken = f"domain {key} exists already; change it with: xtramail domain set {key}"
    standing, other = desk.engine.read(scope, lambda snap: (domains.get_domain(snap), get_alias_of(snap)))
    if other is not None and other.domain not in {one.name for one in desk.domains()}:
        raise NotPermitted(f"domain {key} cannot be added; ask an operator of this server")
    if other is not None:
        raise AlreadyExists(
            f"domain {key} is another name of {other.domain}; first: xtramail domain-alias remove {key}"
        )
    if standing is not None and not desk.sees(standing):
        raise NotPermitted(f"domain {key} cannot be added; ask an operator of this server")
    if standing is not None:
        raise AlreadyExists(taken)
    retention_class = await desk.engine.transact(
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
        created=desk.now(),
        settings={},
        tenant=owner,
        unverified=unverified or desk.actor.role is not Role.OPERATOR,
    )

    def put(txn: Txn) -> None:
        if domains.get_domain(txn) is not None or get_alias_of(txn) is not None:
            raise AlreadyExists(taken)
        domains.put_domain(txn, row)

    told = Change("domain add", key, key, owner, after=domain_told(row))
    await desk.change(
        told,
        [(scope, put), (keys.ROLES, still_there(owner)), (keys.DOMAIN_CHANGES, domains.settings_changed)],
    )
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
        case "quota":
            try:
                return DomainChange(field="quota", value=parse_size(value or "0"))
            except ValueError as error:
                raise BadInput(f"quota {value!r}: {error}") from None
        case "smarthost":
            if value:
                parse_host(value, 587)
            return DomainChange(field="smarthost", value=value)
        case "smarthost-user":
            return DomainChange(field="smarthost_user", value=value)
        case "tenant":
            return DomainChange(field="tenant", value=value)
    if key in SETTINGS:
        return DomainChange(field="settings", value=(key, regular(key, value)))
    known = [*ROUTE_KEYS, *SETTINGS]
    raise BadInput(f"setting {key!r}: there is no such setting; {perhaps(key, known)}choose one of {', '.join(known)}")


async def set_domain(desk: Desk, name: str, changes: list[DomainChange]) -> DomainRow:
    """All of ``changes`` or none. Those of OPERATORS_OWN are for operators."""
    row = desk.domain(name)
    for one in changes:
        key = one.value[0] if one.field == "settings" and isinstance(one.value, tuple) else one.field
        if key in OPERATORS_OWN:
            desk.require(Role.OPERATOR, f"{str(key).replace('_', '-')} of {row.name}")
        if key == "tenant":
            owner_of(desk, str(one.value))
        for host, port, ports in _hosts(one):
            require_reachable(desk, host, port, ports)
    told = Change("domain set", row.name, row.name)
    fields = {change.field: change.value for change in changes if change.field != "settings"}
    if "primaries" in fields:
        # Tried in the order in which they were given; other priorities are for `route add`.
        fields["priorities"] = ()
    own: dict[str, str] = dict(c.value for c in changes if c.field == "settings" and isinstance(c.value, tuple))
    refuse_served(desk.engine, own.get(MAIL, ""))
    forwarding_names.require_served(desk, own.get(forwarding_names.AS, ""))

    def change(txn: Txn) -> DomainRow:
        current = domains.get_domain(txn)
        if current is None:
            raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
        # An empty value is the default's, also when that changes one day.
        kept = {name: value for name, value in {**current.settings, **own}.items() if value}
        changed = msgspec.structs.replace(current, settings=kept, **fields)
        check_domain(changed)
        domains.put_domain(txn, changed)
        told.before, told.after = domain_told(current), domain_told(changed, current)
        return changed

    def days(txn: Txn) -> None:
        if "retention_days" in fields:
            schema.set_retention_days(txn, row.retention_class, int(str(fields["retention_days"])))

    def hand_over(txn: Txn) -> None:
        still_there(str(fields.get("tenant", "")))(txn)
        if fields.get("tenant", row.tenant) != row.tenant:
            roles.forget_domain(txn, row.name)

    results = await desk.change(
        told,
        [
            (keys.domain_scope(row.name), change),
            (keys.STORE, days),
            (keys.ROLES, hand_over),
            (keys.DOMAIN_CHANGES, domains.settings_changed),
        ],
    )
    changed: DomainRow = results[0]
    return changed


def _hosts(change: DomainChange) -> list[tuple[str, int, frozenset[int]]]:
    """Those that a change has this machine connect to, each with the ports that anybody may name."""
    if change.field == "primaries" and isinstance(change.value, tuple):
        return [(host, port, PORTS) for host, port in change.value]
    if change.field == "smarthost" and change.value:
        return [(*parse_host(str(change.value), 587), PORTS)]
    if change.field != "settings" or not isinstance(change.value, tuple) or not change.value[1]:
        return []
    name, value = change.value
    if name == HOST:
        return [(*parse_host(value, IMAPS_PORT), IMAP_PORTS)]
    if name == WEBHOOK:
        parts = urlsplit(value)
        return [(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), HOOK_PORTS)]
    return []


async def remove_domain(desk: Desk, name: str) -> DomainRow:
    """Stop serving a domain. NotPermitted while mail has an open fate, or aliases lead there, or mail is forwarded in
    its name; kept copies go with their days."""
    row = desk.domain(name, Role.TENANT)
    refuse_while_leading(desk, row.name)
    forwarding_names.refuse_while_forwarding(desk, row.name)
    users = users_of(desk.engine, row.name)

    def open_queue(txn: Txn) -> None:
        # Mail to it goes out into the world from now on; a hold that nobody could release must not keep it.
        outbound.clear_destination(txn, row.name)

    await desk.change(
        Change("domain remove", row.name, row.name, before={**domain_told(row), "users": len(users)}),
        [
            (keys.QUEUE, refuse_while_open(row.name)),
            (keys.QUEUE, open_queue),
            (keys.domain_scope(row.name), domains.delete_domain),
            (keys.ROLES, lambda txn: roles.forget_domain(txn, row.name)),
            (keys.DOMAIN_CHANGES, domains.settings_changed),
        ]
        + [(keys.user_scope(account.id), accounts.delete_account) for account in users]
        + [(keys.LOGINS, partial(logins.forget, account_id=account.id)) for account in users]
        + [(keys.SENDING, partial(blocks.forget_sender, account_id=account.id)) for account in users],
    )
    return row
