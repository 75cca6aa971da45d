"""``xtramail readiness``: could the people of a domain work in an outage today, and what to do next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import click
from twisted.internet.defer import TimeoutError as TooLate
from twisted.names import client

from xtramail.app.command.cert import found as certificates_found
from xtramail.app.command.context import Context, Reporting, when
from xtramail.app.command.on_reactor import run_on_reactor
from xtramail.app.doors import host_of
from xtramail.app.next_hop import NextHop, look_closely
from xtramail.delivery.routing import NoMailHost
from xtramail.directory.domain_settings import text
from xtramail.directory.domains import host_text
from xtramail.directory.readiness import Check, Facts, Hop, User, judge
from xtramail.directory.relay_clients import ACCOUNT, CERTIFICATE, FROM
from xtramail.directory.users import OUTSIDE, list_users
from xtramail.model.errors import Unavailable
from xtramail.model.host import parse_host
from xtramail.net.adapter import deferred
from xtramail.net.certificates import matches
from xtramail.net.dns import MailHostLookup
from xtramail.store import devices, drills, keys, logins
from xtramail.store.aliases import catch_all
from xtramail.store.last_backup import last_backup
from xtramail.store.records import Account, DomainRow

DNS_SECONDS = 5.0
_AT_ONCE = 8


@click.command(cls=Reporting)
@click.argument("name", metavar="DOMAIN")
@click.option("--nameserver", metavar="HOST[:PORT]", help="Ask this one for the MX.  [default: the machine's]")
@click.pass_obj
def readiness(context: Context, name: str, nameserver: str | None) -> None:
    """Say how ready DOMAIN is for an outage: a score of 100, who could not log in, and what to do next.

    Looks at DNS, the certificate, the primary and its TLS, users, alerts, the last drill and the last backup. What
    cannot be found out is not counted.
    """
    row = context.desk.domain(name)
    facts = _facts(context, row, nameserver)
    found = judge(facts)
    steps = [{"gain": round(one.gain, 1), "what": one.text, "do": one.remedy} for one in found.next]
    people = [_person(one) for one in facts.users]
    notes = _notes(context, row)
    if context.as_json:
        checks = [_shown(one) for one in found.checks]
        scored = {"domain": row.name, "score": found.score, "checks": checks}
        context.done({**scored, "next": steps, "notes": notes, "users": people}, "")
        return
    click.echo(f"{row.name}: {found.score} of 100\n")
    context.table([_shown(one) for one in found.checks], ("check", "points", "of", "text"), "")
    if steps:
        click.echo("\nWhat to do next")
        context.table(steps, ("gain", "what", "do"), "")
    for note in notes:
        click.echo(f"\nNote: {note}")
    click.echo("")
    context.table(people, ("address", "password", "devices", "last-login", "outside"), "no users yet")


def _notes(context: Context, row: DomainRow) -> list[str]:
    """What costs no points, and somebody should know."""
    everybody = catch_all(context.engine, row.name)
    if everybody is None:
        return []
    return [f"mail to every address of {row.name} is taken and goes to {', '.join(everybody.targets)}, with much spam"]


def _shown(one: Check) -> dict[str, object]:
    points = "unknown" if one.share is None else round(one.weight * one.share, 1)
    return {"check": one.name, "points": points, "of": one.weight, "text": one.text, "next": one.remedy}


def _person(one: User) -> dict[str, object]:
    return {
        "address": one.address,
        "password": "set" if one.password else "",
        "devices": one.devices,
        "can-log-in": one.can_log_in,
        "logins": {service: when(at) for service, at in sorted(one.logins.items())},
        "last-login": when(max(one.logins.values(), default=0.0)),
        "outside": "set" if one.outside else "",
    }


def _facts(context: Context, row: DomainRow, nameserver: str | None) -> Facts:
    settings, engine = context.named_settings, context.engine
    host = host_of(settings, row.name)
    mx, mx_text = _mail_hosts(row.name, nameserver)
    covered, certificate_text = _certificate(context, host)
    last = next((one for one in engine.read(keys.DRILLS, drills.drills) if one.domain == row.name), None)
    passed = False
    if last is not None:
        took_part = engine.read(keys.DRILLS, partial(drills.pilots, drill_id=last.id))
        passed = bool(took_part) and all(one.passed for one in took_part)
    operator = settings.alerts
    own = any(text(row, setting) for setting in ("alert-mail", "alert-webhook"))
    copied = any(row.settings.get(setting) for setting in (ACCOUNT, CERTIFICATE, FROM, "journal"))
    return Facts(
        domain=row.name,
        now=context.now(),
        hosts=settings.server.hostname,
        mx=mx,
        mx_text=mx_text,
        certificate=covered,
        certificate_text=certificate_text,
        hops=_hops(row, host),
        users=tuple(_user(context, one) for one in list_users(context.desk, row.name) if one.kind != "list"),
        told=own or bool(operator.mail or operator.webhook),
        outgoing=copied,
        drill=last.started if last is not None else None,
        drill_passed=passed,
        backup=engine.read(keys.STORE, last_backup),
    )


def _user(context: Context, account: Account) -> User:
    now = context.now()
    known = context.engine.read(keys.user_scope(account.id), devices.devices)
    return User(
        address=account.address,
        # With two-step sign-in the password alone opens no mailbox.
        password=bool(account.password) and account.status == "active" and not account.two_step,
        devices=sum(1 for _, device in known if not 0 < device.expires <= now) if account.status == "active" else 0,
        logins=context.engine.read(keys.LOGINS, partial(logins.last_logins, account_id=account.id)),
        outside=bool(account.settings.get(OUTSIDE)),
    )


def _hops(row: DomainRow, name: str) -> tuple[Hop, ...]:
    def look(place: tuple[str, int]) -> NextHop:
        return look_closely(*place, name=name, authorities=row.primary_ca)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(look, row.primaries))
    return tuple(
        Hop(host=host_text(one.host, one.port), fault=one.fault, tls=one.tls, tls_fault=one.tls_fault) for one in found
    )


def _certificate(context: Context, host: str) -> tuple[bool, str]:
    for one in certificates_found(context):
        names = one["names"]
        if isinstance(names, list) and any(matches(str(name), host) for name in names):
            if one["fault"]:
                return False, f"the certificate for {host}: {one['fault']}"
            return True, f"the certificate for {host} is good until {one['until']}"
    return False, f"no good certificate is for {host}"


def _mail_hosts(domain: str, nameserver: str | None) -> tuple[tuple[tuple[int, str], ...] | None, str]:
    """The MX records, or None and why they are not known. Waits a few seconds at most."""
    servers = [parse_host(nameserver, 53)] if nameserver else None

    async def ask(reactor: Any) -> list[tuple[int, str]]:
        resolv = None if servers else "/etc/resolv.conf"
        resolver = client.Resolver(resolv=resolv, servers=servers, reactor=reactor)  # type: ignore[no-untyped-call]
        asked = deferred(MailHostLookup(resolver).mail_hosts(domain))
        answer: list[tuple[int, str]] = await asked.addTimeout(DNS_SECONDS, reactor)
        return answer

    try:
        return tuple(run_on_reactor(ask)), ""
    except NoMailHost as error:
        return (), error.text
    except Unavailable as error:
        return None, error.text
    except (TooLate, TimeoutError):
        return None, f"no name server answered in {DNS_SECONDS:g} s"
    except (OSError, ValueError) as error:
        return None, f"no name server can be asked: {error}"
