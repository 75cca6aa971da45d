"""``xtramail domain guide``: how to cut a domain over, and back, with its real values."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from ipaddress import ip_address
from typing import Literal

import click

from xtramail.app.command.cert import found as certificates_found
from xtramail.app.command.context import Context
from xtramail.app.command.group import Reporting
from xtramail.app.connectors import KINDS, Kind, Site, kind_of
from xtramail.app.doors import door, host_of
from xtramail.app.guide import Facts, records, sections
from xtramail.directory.relay_clients import ACCOUNT, CERTIFICATE, FROM
from xtramail.model.errors import BadInput
from xtramail.net.certificates import matches
from xtramail.store.records import DomainRow

LOOKUP_SECONDS = 5.0
_INSTALL = "Install one: xtramail cert install CRT KEY"
_OFFERED = ("imaps", "submissions", "submission", "pop3s")


@click.command("guide", cls=Reporting)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), help="What its primary is.  [default: by the name of its host]")
@click.option("--address", "addresses", multiple=True, metavar="IP", help="Our public address; repeat for more.")
@click.pass_obj
def guide(context: Context, name: str, kind: Kind | None, addresses: tuple[str, ...]) -> None:
    """Say what to set, in which order, so that mail of NAME comes through us, and how to go back.

    Records of DNS, steps at the primary (Exchange, Microsoft 365, Google Workspace, any other) and the way back.
    Changes nothing.
    """
    row = context.desk.domain(name)
    chosen: Kind = kind or (kind_of(row.primaries[0][0]) if row.primaries else "smtp")
    facts = _facts(context, row, chosen, _addresses(context, row, addresses))
    value = {
        "domain": row.name,
        "kind": chosen if row.primaries else None,
        "host": facts.site.host,
        "addresses": list(facts.site.addresses) if facts.known_addresses else [],
        "primary": list(facts.primaries),
        "records": [
            {"name": one.name, "type": one.kind, "ttl": one.ttl, "value": one.value, "why": one.why}
            for one in records(facts)
        ],
        "sections": [{"title": one.title, "steps": list(one.steps)} for one in sections(facts)],
    }
    lines = [f"{row.name} through {facts.site.host}"]
    for section in sections(facts):
        lines += ["", section.title]
        for number, step in enumerate(section.steps, 1):
            first, *rest = step.split("\n")
            lines += [f"{number:>3}. {first}", *(f"     {one}" for one in rest)]
    context.done(value, "\n".join(lines))


def _addresses(context: Context, row: DomainRow, given: tuple[str, ...]) -> tuple[str, ...]:
    """As they were given, else the public ones of our name; empty when nobody knows."""
    for one in given:
        try:
            ip_address(one)
        except ValueError:
            raise BadInput(f"address {one!r}: write it as 192.0.2.7 or 2001:db8::7") from None
    return given or public_addresses(host_of(context.named_settings, row.name))


def public_addresses(host: str) -> tuple[str, ...]:
    """What the machine's resolver says of a name, in a few seconds: an entry of 127.0.1.1 for oneself is no answer."""
    pool = ThreadPoolExecutor(1)
    try:
        answer = pool.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
        found = {str(entry[4][0]) for entry in answer.result(LOOKUP_SECONDS)}
    except (OSError, UnicodeError, TooLate):
        return ()
    finally:
        pool.shutdown(wait=False)
    public = [one for one in found if ip_address(one.split("%")[0]).is_global]
    return tuple(sorted(public, key=lambda one: (":" in one, one)))


def _facts(context: Context, row: DomainRow, kind: Kind, addresses: tuple[str, ...]) -> Facts:
    settings = context.named_settings
    host = host_of(settings, row.name)
    submission = door(settings, "submission", row.name)
    outbound: Literal["", "address", "account", "certificate"] = ""
    if row.settings.get(ACCOUNT):
        outbound = "account"
    elif row.settings.get(CERTIFICATE):
        outbound = "certificate"
    elif row.settings.get(FROM):
        outbound = "address"
    site = Site(
        domain=row.name,
        host=host,
        addresses=addresses or (f"ADDRESS-OF-{host}",),
        size=f"{settings.limits.message_size >> 20}MB",
        outbound=outbound,
        outbound_port=submission.port if submission is not None else 587,
    )
    found = [door(settings, service, row.name) for service in _OFFERED]
    return Facts(
        site=site,
        kind=kind,
        primaries=tuple(f"[{one}]:{port}" if ":" in one else f"{one}:{port}" for one, port in row.primaries),
        smtp=door(settings, "smtp", row.name),
        doors=tuple(one for one in found if one is not None),
        certificate=_certificate(context, host),
        smarthost=row.smarthost or settings.relay.smarthost,
        known_addresses=bool(addresses),
        tested=f"xtramail domain test {row.name}",
    )


def _certificate(context: Context, host: str) -> str:
    for one in certificates_found(context):
        names = one["names"]
        if isinstance(names, list) and any(matches(str(name), host) for name in names):
            if one["fault"]:
                return f"The certificate for {host} has a fault: {one['fault']}. {_INSTALL}"
            return f"The certificate {one['name']} is for {host}, until {one['until']}; clients must trust its issuer."
    return f"No certificate is for {host}. {_INSTALL}"
