"""``xtramail domain``: the served domains."""

from __future__ import annotations

import sys

import click

from xtramail.app.command.context import Commands, Context, password_from_stdin, when
from xtramail.directory import domains
from xtramail.directory.users import open_mail, users_of
from xtramail.model.errors import BadInput
from xtramail.store.records import DomainRow

ANY_WARNING = (
    "warning: recipients=any takes mail for addresses that do not exist; "
    "the primary's refusals then become lost mail. Prefer ask."
)


@click.group(cls=Commands)
def domain() -> None:
    """Add, change, hold and remove served domains."""


def shown(row: DomainRow) -> dict[str, object]:
    """A domain as JSON shows it: no secret."""
    return {
        "name": row.name,
        "primary": [f"{host}:{port}" for host, port in row.primaries],
        "primary-tls": row.primary_tls,
        "primary-ca": row.primary_ca,
        "recipients": row.recipients,
        "continuity": "on" if row.continuity else "off",
        "held": row.held,
        "retention-days": row.retention_days,
        "smarthost": row.smarthost,
        "smarthost-user": row.smarthost_user,
        "smarthost-password": "set" if row.smarthost_password else "",
        "contact": row.settings.get("contact", ""),
        "created": when(row.created),
    }


@domain.command()
@click.argument("name")
@click.option("--primary", "primaries", multiple=True, metavar="HOST[:PORT]", help="Its mail server; repeat for more.")
@click.option(
    "--primary-tls",
    type=click.Choice(domains.TLS_MODES),
    default="opportunistic",
    show_default=True,
    help="TLS towards it; verify checks chain and name.",
)
@click.option("--primary-ca", metavar="FILE", default="", help="PEM file of authorities to believe for verify.")
@click.option("--retention-days", type=int, default=None, help="Days that its mail is kept.  [default: the settings']")
@click.option(
    "--recipients",
    type=click.Choice(domains.RECIPIENT_MODES),
    default=None,
    help="Unknown recipients: ask the primary, only listed users, or any.  [default: ask with a primary, else listed]",
)
@click.pass_obj
def add(
    context: Context,
    name: str,
    primaries: tuple[str, ...],
    primary_tls: str,
    primary_ca: str,
    retention_days: int | None,
    recipients: str | None,
) -> None:
    """Serve the domain NAME from now on. Without --primary it is local: mailboxes only."""
    row = context.run(
        domains.add_domain(
            context.engine,
            name,
            now=context.now(),
            primaries=tuple(domains.parse_host(host) for host in primaries),
            primary_tls=primary_tls,
            primary_ca=primary_ca,
            retention_days=context.settings.retention.days if retention_days is None else retention_days,
            recipients=recipients or "",
        )
    )
    if row.recipients == "any":
        click.echo(ANY_WARNING, err=True)
    primary = ", ".join(f"{host}:{port}" for host, port in row.primaries) or "none: local mailboxes"
    context.done(
        shown(row),
        f"domain {row.name} added: primary {primary}, recipients {row.recipients}, {row.retention_days} days.\n"
        f"Next: xtramail user add NAME@{row.name} --generate",
    )


@domain.command("set")
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--password-stdin", is_flag=True, help="Read the smarthost's password from standard input.")
@click.pass_obj
def set_(context: Context, name: str, changes: tuple[str, ...], password_stdin: bool) -> None:
    """Change settings of a domain, all or none.

    KEY is one of primary, primary-tls, primary-ca, recipients, continuity, retention-days, smarthost, smarthost-user,
    smarthost-password (only - : read from standard input), contact. An empty VALUE takes a setting away.
    """
    parsed = []
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise BadInput(f"{change!r}: write it as KEY=VALUE, such as primary=mail.example.org:25")
        if key == "smarthost-password":
            if value not in ("-", ""):
                raise BadInput("smarthost-password: not on the command line; write smarthost-password=- and pipe it in")
            secret = password_from_stdin() if value else ""
            parsed.append(domains.DomainChange(field="smarthost_password", value=secret))
            continue
        parsed.append(domains.parse_change(key, value))
    if password_stdin:
        parsed.append(domains.DomainChange(field="smarthost_password", value=password_from_stdin()))
    row = context.run(domains.set_domain(context.engine, name, parsed))
    if row.recipients == "any":
        click.echo(ANY_WARNING, err=True)
    context.done(shown(row), f"domain {row.name} changed.")


@domain.command()
@click.argument("name")
@click.pass_obj
def show(context: Context, name: str) -> None:
    """Show a domain, how many users it has and how much mail waits for its primary."""
    row = domains.require(context.engine, name)
    counts = {"users": len(users_of(context.engine, row.name)), "waiting": open_mail(context.engine, row.name)}
    context.fields(shown(row) | counts)


@domain.command("list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the served domains."""
    rows = [shown(row) for row in domains.all_domains(context.engine)]
    columns = ("name", "primary", "recipients", "retention-days", "continuity", "held")
    context.table(rows, columns, "no domain is served yet; add one: xtramail domain add NAME --primary HOST")


@domain.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, name: str, yes: bool) -> None:
    """Stop serving a domain. Refused while mail still waits for its primary."""
    row = domains.require(context.engine, name)
    users = len(users_of(context.engine, row.name))
    if not yes and sys.stdin.isatty():
        click.confirm(f"Remove {row.name}, its {users} users and their logins?", abort=True)
    context.run(domains.remove_domain(context.engine, name))
    context.done(
        {"removed": row.name, "users": users},
        f"domain {row.name} removed with {users} users; copies of its mail go as their {row.retention_days} days end.",
    )


def _hold(context: Context, name: str, *, held: bool) -> DomainRow:
    return context.run(domains.hold_domain(context.engine, name, held=held, now=context.now()))


@domain.command()
@click.argument("name")
@click.pass_obj
def hold(context: Context, name: str) -> None:
    """Keep a domain's mail from its primary. It goes on arriving, and can be read, until release."""
    row = _hold(context, name, held=True)
    context.done(shown(row), f"domain {row.name} is held. Let its mail go with: xtramail domain release {row.name}")


@domain.command()
@click.argument("name")
@click.pass_obj
def release(context: Context, name: str) -> None:
    """Let a held domain's mail go to its primary."""
    row = _hold(context, name, held=False)
    waiting = open_mail(context.engine, row.name)
    text = f"domain {row.name} is released; {waiting} messages are on their way."
    context.done(shown(row) | {"waiting": waiting}, text)


