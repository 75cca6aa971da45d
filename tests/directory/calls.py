"""What may be asked at a desk: each function once or more, with arguments that are good, and who may at least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from tests.directory.offices import (
    ACME,
    ACORN,
    ANN,
    BOB,
    CAL,
    DORA,
    KEYRING,
    TIM,
    ZETA,
    Offices,
)
from xtramail.delivery import following, release, waiting
from xtramail.delivery.drill_steps import fresh_steps
from xtramail.directory import (
    admins,
    alias_targets,
    aliases,
    audit_log,
    auth_log,
    blocks,
    bulk_passwords,
    devices,
    dkim_keys,
    domain_aliases,
    domains,
    effective,
    forwarding_names,
    holding,
    maintenance,
    mirrors,
    quota_figures,
    reachable,
    rehearsals,
    relay_accounts,
    route_words,
    routes,
    senders,
    sent_figures,
    tenants,
    tokens,
    told_alerts,
    totp,
    users,
    verification,
)
from xtramail.directory.desk import Desk
from xtramail.directory.state import worlds
from xtramail.mailbox import stored
from xtramail.mailbox.transfer import exporting, importing
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_LOG, bucket_at
from xtramail.model.ids import id_at
from xtramail.store import domains as rows
from xtramail.store import keys, tracking
from xtramail.store.records import LogEvent
from xtramail.store.tracking import Query

HASH = "{XTRA-HMAC}a$b"
MAILED = id_at(2_000_000_000.0)
"""Of a message of a later time than all that was made before."""
NEW = Address.parse(f"new@{ACORN}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``run``: what is asked, about something of Acorn's, or of acme's where that is said."""

    function: Callable[..., Any]
    run: Callable[[Desk, Offices], Any]
    least: Role
    changes: bool = True
    rows: int = 1
    """Of the log of changes, when it is done."""
    who: Address = ANN
    """The user whom it is about."""
    before: Callable[[Desk], Any] | None = None
    """What an operator does first."""
    lists: bool = False
    """It shows all that its actor may see, and is about nothing."""
    of_tenant: bool = False
    """It is about something of the tenant's as such, not of its domain Acorn."""
    taken: bool = False
    """It would make something new of a name that another tenant has."""
    case: str = ""

    @property
    def name(self) -> str:
        module = self.function.__module__.removeprefix("xtramail.directory.")
        return f"{module}.{self.function.__name__}{f' {self.case}' if self.case else ''}"


def change(function: Any, run: Callable[[Desk, Offices], Any], least: Role = Role.DOMAIN, **more: Any) -> Call:
    return Call(function=function, run=run, least=least, **more)


def look(function: Any, run: Callable[[Desk, Offices], Any], least: Role = Role.DOMAIN, **more: Any) -> Call:
    return Call(function=function, run=run, least=least, changes=False, rows=0, **more)


def lists(function: Any, run: Callable[[Desk, Offices], Any], least: Role = Role.DOMAIN, **more: Any) -> Call:
    return Call(function=function, run=run, least=least, changes=False, rows=0, lists=True, **more)


def setting(key: str, value: str) -> list[domains.DomainChange]:
    return [domains.parse_change(key, value)]


def hashes(count: int) -> list[tuple[Address, str]]:
    return [(address, HASH) for address in (ANN, BOB)][:count]


CALLS = [
    # Users.
    change(users.add_user, lambda d, o: users.add_user(d, NEW)),
    change(users.add_discovered, lambda d, o: users.add_discovered(d, NEW)),
    look(users.show, lambda d, o: users.show(d, ANN), Role.USER),
    look(users.list_users, lambda d, o: users.list_users(d, ACORN)),
    change(users.set_password, lambda d, o: users.set_password(d, ANN, HASH), Role.USER),
    change(users.set_user, lambda d, o: users.set_user(d, ANN, quota=5)),
    change(users.set_user, lambda d, o: users.set_user(d, ANN, outside="a@b.example"), Role.USER, case="outside"),
    change(users.remove_user, lambda d, o: users.remove_user(d, CAL), who=CAL),
    change(
        bulk_passwords.set_passwords,
        lambda d, o: bulk_passwords.set_passwords(d, hashes(2), temporary=True, progress=lambda done: None),
        rows=2,
    ),
    # What opens an account.
    change(devices.add, lambda d, o: devices.add(d, ANN, KEYRING, name="tablet"), Role.USER),
    look(devices.of_user, lambda d, o: devices.of_user(d, ANN), Role.USER),
    change(devices.revoke, lambda d, o: devices.revoke(d, ANN, "phone"), Role.USER),
    change(devices.revoke_all, lambda d, o: devices.revoke_all(d, ANN), Role.USER),
    change(totp.start, lambda d, o: totp.start(d, BOB, KEYRING), Role.USER, who=BOB),
    change(totp.confirm, lambda d, o: totp.confirm(d, ANN, o.code(ANN), KEYRING), Role.USER),
    change(totp.check, lambda d, o: totp.check(d, CAL, o.code(CAL), KEYRING), Role.USER, who=CAL),
    change(totp.disable, lambda d, o: totp.disable(d, CAL, KEYRING, code=o.code(CAL)), Role.USER, who=CAL),
    change(totp.disable, lambda d, o: totp.disable(d, CAL, KEYRING, code=None), who=CAL, case="without a code"),
    change(totp.new_codes, lambda d, o: totp.new_codes(d, CAL, KEYRING, code=o.code(CAL)), Role.USER, who=CAL),
    change(totp.new_codes, lambda d, o: totp.new_codes(d, CAL, KEYRING, code=None), who=CAL, case="without a code"),
    look(auth_log.events, lambda d, o: auth_log.events(d, domain=ACORN, most=9)),
    # Domains.
    change(domains.add_domain, lambda d, o: domains.add_domain(d, f"new.{ACORN}", tenant=ACME), Role.TENANT,
           of_tenant=True),
    change(domains.set_domain, lambda d, o: domains.set_domain(d, ACORN, setting("retention-days", "9"))),
    change(domains.set_domain, lambda d, o: domains.set_domain(d, ACORN, setting("tenant", ZETA)), Role.OPERATOR,
           case="tenant"),
    change(domains.set_domain, lambda d, o: domains.set_domain(d, ACORN, setting("primary-ca", "/etc/ca.pem")),
           Role.OPERATOR, case="file"),
    look(verification.challenge_of, lambda d, o: verification.challenge_of(d, ACORN, KEYRING)),
    change(verification.verify, lambda d, o: verification.verify(d, ACORN, KEYRING, [o.proof()]),
           before=lambda d: unverified(d)),
    change(verification.verify, lambda d, o: verification.verify(d, ACORN, KEYRING, None), Role.OPERATOR,
           before=lambda d: unverified(d), case="without proof"),
    change(holding.hold_domain, lambda d, o: holding.hold_domain(d, ACORN, reason="")),
    change(holding.release_domain, lambda d, o: holding.release_domain(d, ACORN),
           before=lambda d: holding.hold_domain(d, ACORN, reason="")),
    change(domains.remove_domain, lambda d, o: domains.remove_domain(d, ACORN), Role.TENANT,
           before=lambda d: domain_aliases.remove_domain_alias(d, "eichel.example")),
    change(maintenance.plan_window,
           lambda d, o: maintenance.plan_window(d, ACORN, start=d.now() + 60, end=d.now() + 90)),
    look(maintenance.windows_of, lambda d, o: maintenance.windows_of(d, ACORN)),
    change(maintenance.take_back, lambda d, o: maintenance.take_back(d, ACORN, 1), before=lambda d: planned(d)),
    change(rehearsals.begin_drill,
           lambda d, o: rehearsals.begin_drill(d, ACORN, ["ann"], seconds=60, steps=fresh_steps())),
    change(rehearsals.stop_drill, lambda d, o: rehearsals.stop_drill(d, o.drill()), before=lambda d: begun(d)),
    look(rehearsals.find_drill, lambda d, o: rehearsals.find_drill(d, o.drill()), before=lambda d: begun(d)),
    look(rehearsals.pilots_of, lambda d, o: rehearsals.pilots_of(d, o.drill()), before=lambda d: begun(d)),
    look(rehearsals.list_drills, lambda d, o: rehearsals.list_drills(d, ACORN), case="of a domain"),
    lists(rehearsals.list_drills, lambda d, o: rehearsals.list_drills(d), before=lambda d: begun(d)),
    change(told_alerts.raise_test, lambda d, o: told_alerts.raise_test(d, ACORN)),
    look(told_alerts.list_alerts, lambda d, o: told_alerts.list_alerts(d, ACORN), case="of a domain"),
    lists(told_alerts.list_alerts, lambda d, o: told_alerts.list_alerts(d),
          before=lambda d: told_alerts.raise_test(d, ACORN)),
    change(mirrors.add_mirror, lambda d, o: mirrors.add_mirror(d, ANN.key, into=BOB.key)),
    look(mirrors.list_mirrors, lambda d, o: mirrors.list_mirrors(d, ACORN)),
    change(mirrors.remove_mirror, lambda d, o: mirrors.remove_mirror(d, ACORN)),
    change(relay_accounts.create, lambda d, o: relay_accounts.create(d, ACORN, KEYRING),
           before=lambda d: relay_accounts.remove(d, ACORN)),
    change(relay_accounts.remove, lambda d, o: relay_accounts.remove(d, ACORN)),
    # Routing.
    look(aliases.planned, lambda d, o: aliases.planned(d, f"info@{ACORN}", [ANN.key])),
    change(aliases.set_alias, lambda d, o: aliases.set_alias(d, f"info@{ACORN}", [ANN.key])),
    change(aliases.add_alias, lambda d, o: aliases.add_alias(d, f"sales@{ACORN}", [CAL.key])),
    change(aliases.remove_alias, lambda d, o: aliases.remove_alias(d, f"sales@{ACORN}")),
    look(aliases.alias_of, lambda d, o: aliases.alias_of(d, f"sales@{ACORN}")),
    look(aliases.aliases_of, lambda d, o: aliases.aliases_of(d, ACORN)),
    lists(aliases.all_aliases, lambda d, o: aliases.all_aliases(d)),
    look(domain_aliases.planned, lambda d, o: domain_aliases.planned(d, "oak.example", ACORN), Role.OPERATOR),
    change(domain_aliases.add_domain_alias, lambda d, o: domain_aliases.add_domain_alias(d, "oak.example", ACORN),
           Role.OPERATOR),
    change(domain_aliases.remove_domain_alias, lambda d, o: domain_aliases.remove_domain_alias(d, "eichel.example")),
    lists(domain_aliases.all_domain_aliases, lambda d, o: domain_aliases.all_domain_aliases(d)),
    look(domain_aliases.domain_aliases_of, lambda d, o: domain_aliases.domain_aliases_of(d, ACORN)),
    change(senders.add_sender, lambda d, o: senders.add_sender(d, f"news@{ACORN}", [BOB.key])),
    change(senders.remove_sender, lambda d, o: senders.remove_sender(d, f"news@{ACORN}")),
    look(senders.sender_of, lambda d, o: senders.sender_of(d, f"news@{ACORN}")),
    look(senders.senders_of, lambda d, o: senders.senders_of(d, ACORN)),
    lists(senders.all_senders, lambda d, o: senders.all_senders(d)),
    change(routes.add_route, lambda d, o: routes.add_route(d, ACORN, route_words.read("third.acorn.example"))),
    change(routes.remove_route, lambda d, o: routes.remove_route(d, ACORN, "second.acorn.example")),
    look(routes.route_of, lambda d, o: routes.route_of(d, ACORN, "second.acorn.example")),
    look(routes.routes_of, lambda d, o: routes.routes_of(d, ACORN)),
    look(effective.of_domain, lambda d, o: effective.of_domain(d, ACORN, [])),
    look(effective.of_address, lambda d, o: effective.of_address(d, ANN, [])),
    lists(routes.all_routes, lambda d, o: routes.all_routes(d)),
    # Sending.
    look(dkim_keys.of_domain, lambda d, o: dkim_keys.of_domain(d, ACORN)),
    change(dkim_keys.create, lambda d, o: dkim_keys.create(d, ACORN, KEYRING, selector="two", algorithm="rsa")),
    change(dkim_keys.activate, lambda d, o: dkim_keys.activate(d, ACORN, None)),
    change(dkim_keys.rotate, lambda d, o: dkim_keys.rotate(d, ACORN, KEYRING, selector="two"),
           before=lambda d: dkim_keys.activate(d, ACORN, None)),
    change(dkim_keys.drop, lambda d, o: dkim_keys.drop(d, ACORN, early=True), before=lambda d: replaced(d)),
    change(dkim_keys.remove, lambda d, o: dkim_keys.remove(d, ACORN, "one")),
    lists(quota_figures.quota_use, lambda d, o: quota_figures.quota_use(d)),
    lists(sent_figures.sent_lately, lambda d, o: sent_figures.sent_lately(d)),
    look(quota_figures.quota_use, lambda d, o: quota_figures.quota_use(d, ACORN), case="of a domain"),
    look(sent_figures.sent_lately, lambda d, o: sent_figures.sent_lately(d, ACORN), case="of a domain"),
    lists(blocks.blocked, lambda d, o: blocks.blocked(d)),
    look(blocks.blocked, lambda d, o: blocks.blocked(d, ACORN), case="of a domain"),
    change(blocks.block, lambda d, o: blocks.block(d, ANN, "test")),
    change(blocks.release, lambda d, o: blocks.release(d, BOB), who=BOB),
    # People and programs that administrate.
    change(tenants.add_tenant, lambda d, o: tenants.add_tenant(d, "beta"), Role.OPERATOR, of_tenant=True),
    change(tenants.set_tenant, lambda d, o: tenants.set_tenant(d, ACME, note="x"), Role.OPERATOR, of_tenant=True),
    change(tenants.remove_tenant, lambda d, o: tenants.remove_tenant(d, "gone"), Role.OPERATOR, of_tenant=True,
           before=lambda d: tenants.add_tenant(d, "gone")),
    look(tenants.find_tenant, lambda d, o: tenants.find_tenant(d, ACME), Role.TENANT, of_tenant=True),
    look(tenants.owner_of, lambda d, o: tenants.owner_of(d, ACME), Role.TENANT, of_tenant=True),
    lists(tenants.list_tenants, lambda d, o: tenants.list_tenants(d), Role.TENANT),
    change(admins.add_admin, lambda d, o: admins.add_admin(d, "ida@office.example", role=Role.DOMAIN, domains=[ACORN]),
           Role.TENANT),
    change(admins.add_admin, lambda d, o: admins.add_admin(d, "ida@office.example", role=Role.TENANT, tenant=ACME),
           Role.OPERATOR, case="of a tenant", of_tenant=True),
    change(admins.add_admin, lambda d, o: admins.add_admin(d, "ida@office.example", role=Role.OPERATOR),
           Role.OPERATOR, case="of everything", of_tenant=True),
    look(admins.find_admin, lambda d, o: admins.find_admin(d, DORA), Role.DOMAIN),
    lists(admins.list_admins, lambda d, o: admins.list_admins(d), Role.DOMAIN),
    change(admins.set_admin, lambda d, o: admins.set_admin(d, DORA, status="disabled"), Role.TENANT),
    change(admins.set_admin, lambda d, o: admins.set_admin(d, TIM, status="disabled"), Role.OPERATOR,
           case="of a tenant", of_tenant=True),
    change(admins.set_admin_password, lambda d, o: admins.set_admin_password(d, DORA, HASH)),
    change(admins.remove_admin, lambda d, o: admins.remove_admin(d, DORA), Role.TENANT),
    look(admins.reach_of_domains, lambda d, o: admins.reach_of_domains(d, "", [ACORN])),
    change(tokens.add_token, lambda d, o: tokens.add_token(d, KEYRING, label="x", domains=[ACORN])),
    change(tokens.add_token, lambda d, o: tokens.add_token(d, KEYRING, label="x", owner=DORA), case="for another"),
    lists(tokens.list_tokens, lambda d, o: tokens.list_tokens(d), Role.USER),
    change(tokens.revoke_token, lambda d, o: tokens.revoke_token(d, o.ids.get("tenant token", "0")), Role.TENANT,
           of_tenant=True),
    change(tokens.revoke_token, lambda d, o: tokens.revoke_token(d, o.ids.get("acorn token", "0")), case="of a domain"),
    lists(audit_log.audit_rows, lambda d, o: audit_log.audit_rows(d, most=999), Role.USER),
    look(audit_log.audit_rows, lambda d, o: audit_log.audit_rows(d, domain=ACORN, most=999), case="of a domain"),
    change(audit_log.accept_head, lambda d, o: audit_log.accept_head(d, None), Role.OPERATOR, of_tenant=True),
    look(audit_log.verify_audit, lambda d, o: audit_log.verify_audit(d), Role.OPERATOR, of_tenant=True),
    # Mail.
    lists(following.follow, lambda d, o: following.follow(d, Query(), most=9).stories, before=lambda d: mailed(d)),
    look(following.story_of, lambda d, o: following.story_of(d, MAILED), before=lambda d: mailed(d)),
    # All of it.
    lists(worlds.export_world, lambda d, o: worlds.export_world(d, KEYRING).domains),
    look(worlds.export_world, lambda d, o: worlds.export_world(d, KEYRING, domain=ACORN).domains, case="of a domain"),
    lists(worlds.plan_world, lambda d, o: worlds.plan_world(d, KEYRING).domains),
]  # fmt: skip

PARTS = {
    alias_targets.refuse_while_target: "asked by those who remove a user or alias, once they may",
    alias_targets.refuse_while_leading: "asked by who removes a domain, once they may",
    forwarding_names.require_served: "a rule about another domain, asked by who names it, once he may",
    forwarding_names.refuse_while_forwarding: "asked by who removes a domain, once he may",
    reachable.require_reachable: "a rule about hosts, asked by those who set one, once they may",
    blocks.put: "asked by the server, and by block",
}
"""Takes a desk and asks nothing of it: those who call it have."""

ELSEWHERE = {
    waiting.waiting: "tests/delivery/test_waiting.py",
    waiting.find_waiting: "tests/delivery/test_waiting.py",
    waiting.let_go: "tests/delivery/test_waiting.py",
    waiting.note: "tests/delivery/test_waiting.py",
    release.release: "tests/delivery/test_waiting.py",
    stored.copies_of: "tests/delivery/test_following.py",
    importing.import_mail: "tests/mailbox/transfer/test_importing.py",
    exporting.export_mail: "tests/mailbox/transfer/test_exporting.py",
}
"""Needs mail, or files, and is asked as every role there."""


async def planned(desk: Desk) -> None:
    await maintenance.plan_window(desk, ACORN, start=desk.now() + 60, end=desk.now() + 90)


async def begun(desk: Desk) -> None:
    await rehearsals.begin_drill(desk, ACORN, ["ann"], seconds=60, steps=fresh_steps())


async def mailed(desk: Desk) -> None:
    """A message for Ann is in the log."""
    at = desk.now()
    event = LogEvent(at=at, message_id=MAILED, kind="accepted", sender="zoe@world.example", recipients=(ANN.key,))
    await desk.engine.transact(keys.LOG, lambda txn: tracking.record(txn, bucket_at(at, CLASS_LOG), event))


async def unverified(desk: Desk) -> None:
    """Acorn as who is no operator adds it."""
    row = replace(desk.domain(ACORN), unverified=True)
    await desk.engine.transact(keys.domain_scope(ACORN), lambda txn: rows.put_domain(txn, row))


async def replaced(desk: Desk) -> None:
    """A key that signed, and another that does so now."""
    await dkim_keys.activate(desk, ACORN, None)
    await dkim_keys.rotate(desk, ACORN, KEYRING, selector="two")
    await dkim_keys.activate(desk, ACORN, None)
