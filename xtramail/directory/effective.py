"""What holds for a domain or one address, setting by setting: its value, who set it, and whom that overrules.

The values are found by what the server itself asks (``precedence``, ``places``, ``outbound``, ``mirrors``), so that
this page cannot say otherwise than it does. Settings of the server come from above: it alone knows its files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xtramail.directory.desk import Desk
from xtramail.directory.domain_settings import OF_USERS, SETTINGS
from xtramail.directory.domains import host_text
from xtramail.directory.mirrors import own_mirror
from xtramail.directory.outbound import all_carriers
from xtramail.directory.places import USERS_LIVE, Place, numbered, place_of
from xtramail.directory.precedence import DEFAULT, DOMAIN, USER, Level, levels
from xtramail.directory.relay_clients import ACCOUNT
from xtramail.directory.resolution import ROLE_LOCALS
from xtramail.directory.sending_limits import SIZE
from xtramail.directory.users import HIDDEN_CAPABILITIES, OUTSIDE
from xtramail.model.actor import Role
from xtramail.model.address import Address, domain_key
from xtramail.model.errors import NoSuchAccount
from xtramail.store import aliases, domains, keys, places
from xtramail.store.aliases import AliasRow
from xtramail.store.engine import Snapshot
from xtramail.store.records import Account, DomainRow

MIRROR, ROUTE, SERVER = "mirror", "route", "server"
ALIAS, DOMAIN_ALIAS = "alias", "domain-alias"
SET = "set"
"""In the place of a secret."""
SECTIONS = ("retention", "relay", "ask", "limits", "alerts")
"""Of the server's settings: those that have a part in mail of a domain."""
SECTIONS_OF_USERS = ("imap", "login", "timeouts")
"""And in what a user does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """``beneath``: what would count in its place, the next first."""

    name: str
    value: str
    source: str
    """``user``, ``domain``, ``route``, ``mirror``, ``alias``, ``default``, or where the server was told."""
    beneath: tuple[Level, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerValue:
    """A setting of the server: ``name`` with its section, ``source`` a file and line, a variable, or ``default``."""

    name: str
    value: str
    source: str
    doc: str = ""


def of_domain(desk: Desk, name: str, server: Sequence[ServerValue]) -> list[Effective]:
    """For a domain; for another name of one, what holds for that. NoSuchDomain."""
    true = _true_name(desk, name)
    row = desk.domain(true or name)
    own = [*_renamed(true), *_domain(row, None), *(_setting(one, row, None) for one in SETTINGS)]
    return [*own, *_server(desk, server, SECTIONS, _overruled(row, None))]


def of_address(desk: Desk, address: Address, server: Sequence[ServerValue]) -> list[Effective]:
    """For one user, list or discovered address; for an alias, or who lives apart and is no user, what holds for its
    mail. NoSuchAccount."""
    true = _true_name(desk, address.domain)
    address = address if true is None else Address(local=address.local, domain=true)
    account = _account(desk, address)
    row = desk.domain(address.domain)
    scope, local = keys.domain_scope(row.name), address.local_key
    own = [
        *_renamed(true),
        *(_user(account) if account is not None else ()),
        _leads(row, local, desk.engine.read(scope, lambda snap: _alias(snap, local))),
        desk.engine.read(scope, lambda snap: _lives(snap, row, local)),
        desk.engine.read(scope, lambda snap: _days(snap, row, local)),
        *_domain(row, account),
        *(_setting(one, row, account) for one in SETTINGS),
    ]
    sections = SECTIONS if account is None else (*SECTIONS, *SECTIONS_OF_USERS)
    return [*own, *_server(desk, server, sections, _overruled(row, account))]


def _true_name(desk: Desk, name: str) -> str | None:
    """The domain of which ``name`` is only another name; None where it is none, or one that the actor may not see."""
    found = desk.engine.read(keys.domain_scope(domain_key(name)), aliases.get_alias_of)
    return found.domain if found is not None and any(row.name == found.domain for row in desk.domains()) else None


def _account(desk: Desk, address: Address) -> Account | None:
    """None where it is no user, but an alias, a place, or one of all the others for whom there is a catch-all."""
    try:
        return desk.account(address)
    except NoSuchAccount:
        served = any(row.name == address.domain_key for row in desk.domains())
        if not served or not desk.actor.role.reaches(Role.DOMAIN):
            raise
        local = address.local_key
        if not desk.engine.read(
            keys.domain_scope(address.domain_key),
            lambda snap: _alias(snap, local) is not None or places.get_place(snap, local) is not None,
        ):
            raise
        return None


def _alias(snap: Snapshot, local: str) -> AliasRow | None:
    """What stands for others in its place: itself, or everybody of the domain who is not listed."""
    found = aliases.get_alias(snap, local)
    if found is None and domains.get_recipient(snap, local) is None and local not in ROLE_LOCALS:
        return aliases.get_alias(snap, "")
    return found


def _renamed(true: str | None) -> Iterator[Effective]:
    if true is not None:
        yield _either("another-name-of", true, source=DOMAIN_ALIAS)


def _leads(row: DomainRow, local: str, alias: AliasRow | None) -> Effective:
    """To whom, one step far: where those lead may be another tenant's business."""
    doc = "for whom it stands; see: xtramail alias show"
    if alias is None:
        return _made("leads-to", [Level("", DEFAULT)], doc)
    source = ALIAS if alias.local else f"{ALIAS} @{row.name}"
    return _made("leads-to", [Level(", ".join(alias.targets), source)], doc)


def _made(name: str, found: Sequence[Level], doc: str = "", *, secret: bool = False) -> Effective:
    shown = [Level(SET if secret and one.value else one.value, one.source) for one in found]
    return Effective(name=name, value=shown[0].value, source=shown[0].source, beneath=tuple(shown[1:]), doc=doc)


def _setting(name: str, row: DomainRow, account: Account | None) -> Effective:
    one = SETTINGS[name]
    found = levels(name, user=account if name in OF_USERS else None, domain=row, default=one.default)
    return _made(name, found, one.doc, secret=one.secret)


def _either(name: str, value: str, default: str = "", source: str = DOMAIN, *, secret: bool = False) -> Effective:
    """What a row itself has; its default when it says the same."""
    return _made(name, [Level(value, source if value != default else DEFAULT)], secret=secret)


def _domain(row: DomainRow, account: Account | None) -> Iterator[Effective]:
    yield _either("primary", ", ".join(f"{host_text(host, port)} ({number})" for host, port, number in numbered(row)))
    yield _either("primary-tls", row.primary_tls, "opportunistic")
    yield _either("primary-ca", row.primary_ca)
    yield _either("recipients", row.recipients, "ask" if row.primaries else "listed")
    yield _either("continuity", "on" if row.continuity else "off", "on")
    if account is None:
        yield _either("retention-days", str(row.retention_days))
    carriers = [f"{host_text(one.host, one.port)} ({one.priority}, {one.when})" for one in all_carriers(row)]
    yield _either("outbound", ", ".join(carriers))
    yield _either("outbound-password", "".join(one.password for one in all_carriers(row)), secret=True)
    yield _either("relay-account", row.settings.get(ACCOUNT, ""), secret=True)
    yield _either("tenant", row.tenant)
    yield _either("verified", "no" if row.unverified else "yes", "yes")


def _user(account: Account) -> Iterator[Effective]:
    yield _either("type", account.kind, source=USER)
    yield _either("status", account.status, "active", USER)
    yield _either("quota", str(account.quota), "0", USER)
    yield _either("two-step", "on" if account.two_step else "off", "off", USER)
    yield _either("hide", account.settings.get(HIDDEN_CAPABILITIES, ""), source=USER)
    yield _either(OUTSIDE, account.settings.get(OUTSIDE, ""), source=USER)


def _lives(snap: Snapshot, row: DomainRow, local: str) -> Effective:
    """Where his mailbox is, and by what."""
    place = place_of(snap, row, local)
    found = [Level(_place_text(place, row), ROUTE)] if places.get_place(snap, local) is not None else []
    if not found and not place.relay and row.primaries:
        found = [Level(_place_text(place, row), f"{DOMAIN} ({USERS_LIVE})")]
    usual = "at the primary" if row.primaries else "here"
    return _made("lives", [*found, Level(usual, DEFAULT)], "where its mail ends; a copy is here in any case")


def _place_text(place: Place, row: DomainRow) -> str:
    if place.apart:
        return ", ".join(f"{host_text(host, port)} ({number})" for host, port, number in place.hosts)
    return "at the primary" if place.relay else "here"


def _days(snap: Snapshot, row: DomainRow, local: str) -> Effective:
    mirror = own_mirror(snap, local)
    own = [Level(str(mirror.days), MIRROR)] if mirror is not None and mirror.retention_class else []
    return _made("retention-days", [*own, Level(str(row.retention_days), DOMAIN)], "how long its mail is kept")


def _overruled(row: DomainRow, account: Account | None) -> Mapping[str, Level]:
    """Settings of the server in the place of which something of the domain or the user counts."""
    found: dict[str, Level] = {}
    carriers = all_carriers(row)
    if carriers:
        found["relay.smarthost"] = Level(", ".join(host_text(one.host, one.port) for one in carriers), DOMAIN)
    size = levels(SIZE, user=account, domain=row, default="")[0]
    if size.value:
        found["limits.message-size"] = size
    return found


def _server(
    desk: Desk, server: Sequence[ServerValue], sections: Sequence[str], overruled: Mapping[str, Level]
) -> Iterator[Effective]:
    # Whose machine it is, may know where its files are.
    told = desk.actor.role is Role.OPERATOR
    for one in server:
        if one.name.partition(".")[0] not in sections:
            continue
        own = Level(one.value, one.source if told or one.source == DEFAULT else SERVER)
        above = overruled.get(one.name)
        yield _made(one.name, [own] if above is None else [above, own], one.doc)
