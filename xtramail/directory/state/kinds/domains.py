"""Served domains with all their settings, and the account of what sends for them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509
from msgspec.structs import replace

from xtramail.directory import domain_settings, forwarding_names
from xtramail.directory.alert_settings import MAIL, SECRET, WEBHOOK
from xtramail.directory.domain_rules import check_domain
from xtramail.directory.domain_settings import SETTINGS
from xtramail.directory.domains import MAX_DAYS, RECIPIENT_MODES, TLS_MODES, host_text, parse_host
from xtramail.directory.relay_clients import ACCOUNT, AUTHORITIES, CREATED
from xtramail.directory.route_words import HIGHEST
from xtramail.directory.state.given_passwords import check_own_hash
from xtramail.directory.state.kind import Kind, Row, Says, Work, World, same
from xtramail.directory.state.kinds.aliases import refuse_while_leading
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.actor import Role
from xtramail.model.address import Address, domain_key
from xtramail.model.errors import BadInput, NotPermitted
from xtramail.store import accounts, blocks, domains, keys, logins, outbound, roles, schema
from xtramail.store.engine import Txn
from xtramail.store.records import DomainRow


class DomainState(Row, frozen=True):
    name: str
    tenant: str = ""
    verified: bool = True
    primary: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    """Of ``primary``, numbers; empty: in their order."""
    primary_tls: str = "opportunistic"
    primary_ca: str = ""
    recipients: str = ""
    continuity: bool = True
    retention_days: int = 0
    smarthost: str = ""
    smarthost_user: str = ""
    smarthost_password: str = ""
    quota: int = 0
    settings: dict[str, str] = {}
    secret_settings: dict[str, str] = {}
    relay_account: str = ""
    relay_account_created: str = ""
    created: str = ""


class Domains(Kind[DomainState]):
    name = "domains"
    doc = "served domains with their settings"
    row = DomainState
    keys = ("name",)
    secrets = frozenset({"smarthost_password", "secret_settings", "relay_account"})
    moments = frozenset({"created", "relay_account_created"})
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[DomainState]:
        return (state_of(row) for row in world.domains)

    def key(self, row: DomainState) -> str:
        return domain_key(row.name)

    def domain(self, row: DomainState) -> str:
        return domain_key(row.name)

    def merged(self, row: DomainState, before: DomainState, given: Collection[str]) -> DomainState:
        other = row.primary != before.primary and "priorities" not in given
        return replace(row, priorities=()) if other else row

    def regular(self, row: DomainState, says: Says) -> DomainState:
        hosts = [says.made("primary", _host, host, host) for host in row.primary]
        _choose(says, "primary_tls", row.primary_tls, TLS_MODES)
        recipients = row.recipients or ("ask" if row.primary else "listed")
        _choose(says, "recipients", recipients, RECIPIENT_MODES)
        if row.smarthost:
            says.made("smarthost", lambda value: parse_host(value, 587), row.smarthost, None)
        priorities = tuple(says.made("priorities", _priority, one, "0") for one in row.priorities)
        if priorities and (len(priorities) != len(hosts) or sorted(priorities, key=int) != list(priorities)):
            says.wrong("priorities", "one for each primary, the lowest first; or none")
        if row.quota < 0:
            says.wrong("quota", "octets, 0 (none) or more")
        for name in ("created", "relay_account_created"):
            says.made(name, read_moment, getattr(row, name), 0.0)
        return replace(
            row,
            name=domain_key(row.name),
            primary=tuple(hosts),
            priorities=priorities,
            recipients=recipients,
            settings=_settings(row.settings, says, secret=False),
            secret_settings=_settings(row.secret_settings, says, secret=True),
        )

    def check(self, row: DomainState, before: DomainState | None, world: World, says: Says) -> None:
        days = row.retention_days or (world.retention_days if before is None else 0)
        if not 1 <= days <= MAX_DAYS:
            says.wrong("retention_days", f"{row.retention_days}: a number from 1 to {MAX_DAYS}")
        world.check_hops("primary", (parse_host(one) for one in row.primary if one not in _primaries(before)), says)
        if row.smarthost and (before is None or row.smarthost != before.smarthost):
            world.check_hops("smarthost", (parse_host(row.smarthost, 587),), says)
        for name, place in (("primary_ca", row.primary_ca), ("settings", row.settings.get(AUTHORITIES, ""))):
            if place and (before is None or place not in (before.primary_ca, before.settings.get(AUTHORITIES))):
                says.made(name, _authorities, place, "")
        if row.relay_account and (before is None or row.relay_account != before.relay_account):
            check_own_hash("relay_account", row.relay_account, world.keyring, says)
        if row.settings.get(WEBHOOK) and not row.secret_settings.get(SECRET):
            says.wrong("secret_settings", f"{SECRET} is missing: it signs what is posted to {WEBHOOK}; give one")
        for one in filter(None, row.settings.get(MAIL, "").split(",")):
            if world.receives(Address.parse(one).domain_key):
                says.wrong("settings", f"{MAIL} {one}: its domain is served here; name an address somewhere else")
        forwards_as = row.settings.get(forwarding_names.AS, "")
        if forwards_as and not world.serves(forwards_as):
            says.wrong("settings", forwarding_names.not_served(forwards_as))
        if row.name in world.after("domain-aliases"):
            says.wrong("name", f"{row.name} is another name of a domain; remove that first")
        if row.tenant and row.tenant not in world.after("tenants"):
            says.wrong("tenant", f"there is no tenant {row.tenant!r}; add it first, or to the file")
        try:
            check_domain(_changed(_new(row, 0, world.retention_days), row))
        except BadInput as error:
            says.wrong("", error.text)

    def check_removal(self, row: DomainState, world: World, says: Says) -> None:
        try:
            world.open_mail().refuse(row.name)
        except NotPermitted as error:
            says.wrong("", error.text)
        refuse_while_leading(world, row.name, says)
        named = [one for one in world.after("domains").values() if one.settings.get(forwarding_names.AS) == row.name]
        if named:
            says.wrong("", f"mail of {named[0].name} is forwarded in its name; change that, too")
        others = [one.name for one in world.after("domain-aliases").values() if one.domain == row.name]
        if others:
            says.wrong("", f"{others[0]} is another name of it; remove that, too")
        held = [
            user.address
            for user in world.after("users").values()
            if user.type != "discovered" and Address.parse(user.address).domain_key == row.name
        ]
        if held:
            says.wrong("", f"{len(held)} of its users stay, such as {held[0]}; remove them, too")

    def write(self, before: DomainState | None, after: DomainState | None, work: Work) -> None:
        key = (after or before or DomainState(name="")).name
        scope = keys.domain_scope(key)
        if after is None:
            work.refuse_while_open(key)
            work.part(keys.QUEUE, lambda txn: outbound.clear_destination(txn, key))
            work.part(scope, domains.delete_domain)
            work.part(keys.ROLES, lambda txn: roles.forget_domain(txn, key))
            for account_id in work.accounts_in(key):
                work.part(keys.user_scope(account_id), accounts.delete_account)
                work.part(keys.LOGINS, partial(logins.forget, account_id=account_id))
                work.part(keys.SENDING, partial(blocks.forget_sender, account_id=account_id))
        elif before is None:
            _add(after, scope, work)
        else:
            _change(before, after, scope, work)
            if before.tenant != after.tenant:
                work.at_end(keys.ROLES, partial(_hand_over, key, after.tenant))
        work.part(keys.DOMAIN_CHANGES, domains.settings_changed)


def state_of(row: DomainRow) -> DomainState:
    """A domain as a document has it."""
    created = row.settings.get(CREATED, "")
    return DomainState(
        name=row.name,
        tenant=row.tenant,
        verified=not row.unverified,
        priorities=tuple(map(str, row.priorities)),
        primary=tuple(host_text(host, port) for host, port in row.primaries),
        primary_tls=row.primary_tls,
        primary_ca=row.primary_ca,
        recipients=row.recipients,
        continuity=row.continuity,
        retention_days=row.retention_days,
        smarthost=row.smarthost,
        smarthost_user=row.smarthost_user,
        smarthost_password=row.smarthost_password,
        quota=row.quota,
        settings={name: v for name, v in row.settings.items() if name in SETTINGS and not SETTINGS[name].secret},
        secret_settings={name: v for name, v in row.settings.items() if name in SETTINGS and SETTINGS[name].secret},
        relay_account=row.settings.get(ACCOUNT, ""),
        relay_account_created=moment_text(float(created)) if created else "",
        created=moment_text(row.created),
    )


@dataclass(slots=True)
class _Class:
    """The retention class of a new domain, known once the transaction has made it."""

    number: int = 0


def _add(after: DomainState, scope: bytes, work: Work) -> None:
    made = _Class()
    days = after.retention_days or work.retention_days

    def make(txn: Txn) -> None:
        made.number = schema.new_retention_class(txn, days, after.name)

    def put(txn: Txn) -> None:
        same(domains.get_domain(txn), None)
        new = _changed(_new(after, made.number, days), after)
        domains.put_domain(txn, replace(new, created=read_moment(after.created) or work.now))

    work.part(keys.STORE, make)
    work.part(scope, put)


def _change(before: DomainState, after: DomainState, scope: bytes, work: Work) -> None:
    read: list[DomainRow] = []

    def put(txn: Txn) -> None:
        current = domains.get_domain(txn)
        same(state_of(current) if current is not None else None, before)
        if current is not None:
            read[:] = [current]
            domains.put_domain(txn, _changed(current, after))

    def days(txn: Txn) -> None:
        if before.retention_days != after.retention_days:
            schema.set_retention_days(txn, read[0].retention_class, after.retention_days)

    work.part(scope, put)
    work.part(keys.STORE, days)


def _hand_over(name: str, tenant: str, txn: Txn) -> None:
    """Its admins of before have it no more, nor have their tokens; those of the new tenant may be in the same file."""
    for row in roles.admins(txn):
        if name in row.domains and row.tenant != tenant:
            roles.put_admin(txn, replace(row, domains=tuple(one for one in row.domains if one != name)))
    for mark, token in roles.tokens(txn):
        if name in token.domains and token.tenant != tenant:
            left = tuple(one for one in token.domains if one != name)
            roles.put_token(txn, mark, replace(token, domains=left))


def _new(state: DomainState, retention_class: int, days: int) -> DomainRow:
    return DomainRow(name=state.name, retention_class=retention_class, retention_days=state.retention_days or days)


def _changed(row: DomainRow, state: DomainState) -> DomainRow:
    """``row`` as ``state`` has it; what a document does not have stays."""
    other = {name: value for name, value in row.settings.items() if name not in SETTINGS}
    if state.relay_account:
        created = kept_moment(state.relay_account_created, float(other.get(CREATED, "0")))
        other |= {ACCOUNT: state.relay_account, CREATED: repr(created)}
    else:
        other.pop(ACCOUNT, None)
        other.pop(CREATED, None)
    return replace(
        row,
        tenant=state.tenant,
        unverified=not state.verified,
        priorities=tuple(map(int, state.priorities)),
        primaries=tuple(parse_host(host) for host in state.primary),
        primary_tls=state.primary_tls,
        primary_ca=state.primary_ca,
        recipients=state.recipients,
        continuity=state.continuity,
        retention_days=state.retention_days or row.retention_days,
        smarthost=state.smarthost,
        smarthost_user=state.smarthost_user,
        smarthost_password=state.smarthost_password,
        quota=state.quota,
        settings={**other, **state.settings, **state.secret_settings},
        created=kept_moment(state.created, row.created),
    )


def _primaries(state: DomainState | None) -> tuple[str, ...]:
    return () if state is None else state.primary


def _host(text: str) -> str:
    return host_text(*parse_host(text))


def _priority(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= HIGHEST):
        raise ValueError(f"a number from 0 to {HIGHEST}")
    return str(int(text))


def _choose(says: Says, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        says.wrong(name, f"{value!r}: choose one of {', '.join(choices)}")


def _settings(given: dict[str, str], says: Says, *, secret: bool) -> dict[str, str]:
    """As they are kept: an empty one is the default's, and not kept."""
    kept = {}
    field = "secret_settings" if secret else "settings"
    for name, value in given.items():
        if name not in SETTINGS or SETTINGS[name].secret is not secret:
            place = "secret-settings" if name in SETTINGS and SETTINGS[name].secret else "xtramail domain set --help"
            says.wrong(field, f"there is no setting {name!r} here; see {place}")
            continue
        made = says.made(field, lambda text, name=name: domain_settings.regular(name, text), value, "")  # type: ignore[misc]
        if made:
            kept[name] = made
    return kept


def _authorities(place: str) -> str:
    """BadInput for what is no PEM file that the server can read."""
    if not os.path.isabs(place):
        raise BadInput(f"{place!r}: write the whole path of a PEM file on this machine")
    try:
        x509.load_pem_x509_certificates(Path(place).read_bytes())
    except (OSError, ValueError):
        raise BadInput(f"{place!r}: is no PEM file of certificates on this machine; put it there first") from None
    return place
