"""``xtramail domain``: the served domains."""

from __future__ import annotations

import os
from pathlib import Path

import click
from cryptography import x509

from xtramail.app.command.context import Commands, Context, count_of, password_from_stdin, sure, when
from xtramail.app.own_doors import refuse_own_doors
from xtramail.directory import alert_settings, domains, holding
from xtramail.directory.domain_settings import SETTINGS, DomainSetting, regular, text
from xtramail.directory.domains import host_text
from xtramail.directory.open_mail import open_mail
from xtramail.directory.primaries import primary_of
from xtramail.directory.relay_clients import ACCOUNT, AUTHORITIES
from xtramail.directory.users import list_users
from xtramail.directory.verification import challenge_of
from xtramail.model.errors import BadInput
from xtramail.model.primary import State
from xtramail.store import keys, outages
from xtramail.store.records import DomainRow

ANY_WARNING = (
    "recipients=any takes mail for addresses that do not exist; "
    "the primary's refusals then become lost mail. Prefer ask."
)


_HERE = "xtramail.app.command"

OTHERS = {
    "relay-account": (
        f"{_HERE}.relay_account",
        "Create, remove or show the account by which the domain NAME's own server sends through us.",
    ),
    "guide": (
        f"{_HERE}.guide",
        "Say what to set, in which order, so that mail of NAME comes through us, and how to go back.",
    ),
    "test": (
        f"{_HERE}.probe",
        "Send one message through us to the primary of NAME, and follow it until it is there.",
    ),
    "verify": (
        f"{_HERE}.verify_domain:verify_domain",
        "Look in DNS for the record that proves that NAME is his who added it, and serve it from then on.",
    ),
}
"""Commands that need far more than the others."""


@click.group(cls=Commands, modules=OTHERS)
def domain() -> None:
    """Add, change, hold and remove served domains."""


def _setting_shown(row: DomainRow, setting: DomainSetting) -> str:
    if setting.secret:
        return "set" if row.settings.get(setting.name) else ""
    return text(row, setting.name)


def shown(row: DomainRow) -> dict[str, object]:
    """A domain as JSON shows it: no secret."""
    return {
        "name": row.name,
        "primary": [host_text(host, port) for host, port in row.primaries],
        "primary-tls": row.primary_tls,
        "primary-ca": row.primary_ca,
        "recipients": row.recipients,
        "continuity": "on" if row.continuity else "off",
        "retention-days": row.retention_days,
        "quota": row.quota,
        "smarthost": row.smarthost,
        "smarthost-user": row.smarthost_user,
        "smarthost-password": "set" if row.smarthost_password else "",
        **{name: _setting_shown(row, one) for name, one in SETTINGS.items()},
        ACCOUNT: "set" if row.settings.get(ACCOUNT) else "",
        "tenant": row.tenant,
        "verified": not row.unverified,
        "created": when(row.created),
    }


def authorities(context: Context, text: str, name: str = "primary-ca") -> str:
    """The absolute path of a PEM file that the server can read; BadInput when it could not use it."""
    if not text:
        return ""
    context.store_folder  # noqa: B018  # from here on as whom the server runs
    place = Path(os.path.abspath(text))
    try:
        x509.load_pem_x509_certificates(place.read_bytes())
    except OSError as error:
        raise BadInput(f"{name} {text!r}: {error.strerror}; name a PEM file that the server may read") from None
    except ValueError:
        raise BadInput(f"{name} {text!r}: holds no PEM certificate (-----BEGIN CERTIFICATE-----)") from None
    return str(place)


def with_state(context: Context, row: DomainRow) -> dict[str, object]:
    """A domain as JSON shows it, with how it stands with its primary."""
    return shown(row) | {"state": primary_of(context.engine, row.name).state if row.primaries else "local"}


def warned(context: Context, row: DomainRow) -> dict[str, object]:
    """The domain as JSON, with what should be thought of; people are told on standard error."""
    warnings = [ANY_WARNING] if row.recipients == "any" else []
    if not context.as_json:
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
    return shown(row) | {"warnings": warnings}


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
@click.option(
    "--retention-days", type=int, metavar="N", default=None, help="Days of its mail.  [default: the settings']"
)
@click.option(
    "--recipients",
    type=click.Choice(domains.RECIPIENT_MODES),
    default=None,
    help="Unknown recipients: ask the primary, only listed users, or any.  [default: ask with a primary, else listed]",
)
@click.option("--tenant", metavar="NAME", default="", help="Whose it is; see: xtramail tenant list")
@click.option("--unverified", is_flag=True, help="Serve it only once DNS proves that it is his: domain verify NAME.")
@click.pass_obj
def add(
    context: Context,
    name: str,
    primaries: tuple[str, ...],
    primary_tls: str,
    primary_ca: str,
    retention_days: int | None,
    recipients: str | None,
    tenant: str,
    unverified: bool,
) -> None:
    """Serve the domain NAME from now on. Without --primary it is local: mailboxes only."""
    hosts = tuple(domains.parse_host(host) for host in primaries)
    refuse_own_doors(context.settings, hosts)
    row = context.run(
        domains.add_domain(
            context.desk,
            name,
            tenant=tenant,
            primaries=hosts,
            primary_tls=primary_tls,
            primary_ca=authorities(context, primary_ca),
            retention_days=context.settings.retention.days if retention_days is None else retention_days,
            recipients=recipients or "",
            unverified=unverified,
        )
    )
    if row.unverified:
        asked = challenge_of(context.desk, row.name, context.keyring)
        text = f"domain {row.name} is served once this is in DNS; then: xtramail domain verify {row.name}\n"
        context.done(warned(context, row) | {"record": asked.zone_line}, text + asked.zone_line)
        return
    primary = ", ".join(host_text(host, port) for host, port in row.primaries) or "none: local mailboxes"
    context.done(
        warned(context, row),
        f"domain {row.name} added: primary {primary}, recipients {row.recipients}, {row.retention_days} days.\n"
        f"Next: xtramail user add NAME@{row.name} --generate",
    )


def _change(context: Context, change: str) -> domains.DomainChange:
    key, equals, value = change.partition("=")
    if not equals:
        raise BadInput(f"{change!r}: write it as KEY=VALUE, such as primary=mail.example.org:25")
    setting = SETTINGS.get(key)
    if key == "smarthost-password" or (setting is not None and setting.secret):
        if value not in ("-", ""):
            raise BadInput(f"{key}: not on the command line; write {key}=- and pipe it in")
        secret = password_from_stdin() if value else ""
        if setting is None:
            return domains.DomainChange(field="smarthost_password", value=secret)
        return domains.DomainChange(field="settings", value=(key, regular(key, secret)))
    if key in ("primary-ca", AUTHORITIES):
        value = authorities(context, value, key)
    parsed = domains.parse_change(key, value)
    if key in ("primary", "smarthost") and value:
        port = 25 if key == "primary" else 587
        refuse_own_doors(context.settings, [domains.parse_host(one, port) for one in value.split(",")])
    return parsed


ROUTE_HELP = """Change settings of a domain, all or none. An empty value is the default.

\b
primary=HOST[:PORT],...     its mail servers, in the order in which they are tried; empty: local mailboxes only
primary-tls=none|opportunistic|required|verify
primary-ca=FILE             authorities to believe for verify; empty: the system's
recipients=ask|listed|any   what is done about unknown recipients
continuity=on|off           off: its mail is handed on and no copy is kept
retention-days=N            how long its mail is kept; holds for what is here already
quota=SIZE                  for all its users together, such as 200GiB; 0: none
smarthost=HOST[:PORT]       for mail of its users to the world; empty: none
smarthost-user=NAME         who logs in there
smarthost-password=-        the password is read from standard input; empty: none
tenant=NAME                 whose it is; empty: the operator's own
"""


def _line(setting: DomainSetting) -> str:
    form = f"{setting.name}={'-' if setting.secret else setting.form}"
    default = f"  [default: {setting.default}]" if setting.default else ""
    return f"{form:<27} {setting.doc}{default}"


@domain.command("set", help=ROUTE_HELP + "\n".join(_line(setting) for setting in SETTINGS.values()))
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--password-stdin", is_flag=True, help="Read the smarthost's password from standard input.")
@click.pass_obj
def set_(context: Context, name: str, changes: tuple[str, ...], password_stdin: bool) -> None:
    parsed, mistakes = [], []
    for change in changes:
        try:
            parsed.append(_change(context, change))
        except BadInput as mistake:
            mistakes.append(mistake.text)
    if mistakes:
        raise BadInput("\n".join(mistakes))
    if password_stdin:
        parsed.append(domains.DomainChange(field="smarthost_password", value=password_from_stdin()))
    secret = _alert_secret(context, name, parsed)
    if secret:
        parsed.append(domains.DomainChange(field="settings", value=(alert_settings.SECRET, secret)))
    row = context.run(domains.set_domain(context.desk, name, parsed))
    made = {"generated-alert-secret": secret} if secret else {}
    told = f"\nalert-secret, shown once, for who checks signatures: {secret}" if secret else ""
    context.done(warned(context, row) | made, f"domain {row.name} changed.{told}")


def _alert_secret(context: Context, name: str, changes: list[domains.DomainChange]) -> str:
    """A new secret where a webhook would have none."""
    own: dict[str, str] = dict(c.value for c in changes if c.field == "settings" and isinstance(c.value, tuple))
    return alert_settings.missing_secret(context.desk.domain(name), own)


@domain.command()
@click.argument("name")
@click.pass_obj
def show(context: Context, name: str) -> None:
    """Show a domain, how many users it has and how much mail waits for its primary."""
    row = context.desk.domain(name)
    counts = {"users": len(list_users(context.desk, row.name)), "waiting": open_mail(context.engine, row.name)}
    context.fields(with_state(context, row) | counts)


@domain.command("list")
@click.argument("name", required=False)
@click.pass_obj
def list_(context: Context, name: str | None) -> None:
    """List the served domains, or NAME alone."""
    found = [context.desk.domain(name)] if name is not None else context.desk.domains()
    rows = [with_state(context, row) for row in found]
    columns = ("name", "primary", "state", "recipients", "retention-days", "continuity")
    context.table(rows, columns, "no domain is served yet; add one: xtramail domain add NAME --primary HOST")


@domain.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, name: str, yes: bool) -> None:
    """Stop serving a domain. Refused while mail still waits for its primary."""
    row = context.desk.domain(name)
    users = len(list_users(context.desk, row.name))
    sure(f"Remove {row.name}, its {count_of(users, 'user')} and their logins?", yes=yes)
    context.run(domains.remove_domain(context.desk, name))
    context.done(
        {"removed": row.name, "users": users},
        f"domain {row.name} removed with {count_of(users, 'user')}; "
        f"copies of its mail go as their {row.retention_days} days end.",
    )


@domain.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the log and whoever looks.")
@click.option(
    "--wait-for-ok", is_flag=True, help="Close nothing now: when the primary comes back from its outage, wait for OK."
)
@click.pass_obj
def hold(context: Context, name: str, reason: str, wait_for_ok: bool) -> None:
    """Keep a domain's mail from its primary. It goes on arriving, and can be read, until release."""
    if wait_for_ok:
        row = context.run(domains.set_domain(context.desk, name, [domains.parse_change("wait-for-ok", "on")]))
        text = f"after an outage of {row.name} nothing is given back until: xtramail domain release {row.name}"
        context.done(with_state(context, row), text)
        return
    row = context.run(holding.hold_domain(context.desk, name, reason=reason))
    text = f"domain {row.name} is held. Let its mail go with: xtramail domain release {row.name}"
    context.done(with_state(context, row), text)


@domain.command()
@click.argument("name")
@click.option("--wait-for-ok/--automatic", default=None, help="What is done after the next outage: wait, or give back.")
@click.pass_obj
def release(context: Context, name: str, wait_for_ok: bool | None) -> None:
    """Let a held domain's mail go to its primary, the oldest first. A maintenance window that runs is taken back."""
    if wait_for_ok is not None:
        change = domains.parse_change("wait-for-ok", "on" if wait_for_ok else "off")
        context.run(domains.set_domain(context.desk, name, [change]))
    planned = _windows(context, name)
    row = context.run(holding.release_domain(context.desk, name))
    over = sorted(planned - _windows(context, name))
    waiting = open_mail(context.engine, row.name)
    value = with_state(context, row) | {"waiting": waiting, "windows-taken-back": over}
    messages = count_of(waiting, "message")
    if value["state"] == State.DOWN:
        text = (
            f"domain {row.name} is not held, its primary is down: {messages} will go when it answers again. "
            f"See: xtramail outage status {row.name}"
        )
    elif value["state"] == State.RECOVERING:
        text = f"domain {row.name} is released; on its way: {messages}."
    else:
        text = f"domain {row.name} is not held; waiting for its primary: {messages}."
    context.done(value, "\n".join([text, *(f"maintenance window {one} is taken back." for one in over)]))


def _windows(context: Context, name: str) -> set[int]:
    """Ids of those planned for a domain."""
    scope = keys.domain_scope(context.desk.domain(name).name)
    return {one.id for one in context.engine.read(scope, outages.windows)}
