"""``xtramail device``: a password of its own for each phone and program."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, count_of, sure, when
from xtramail.app.command.maintenance import moment
from xtramail.directory import devices
from xtramail.model.address import Address


@click.group(cls=Commands)
def device() -> None:
    """Passwords for single phones and programs: made, listed and revoked."""


@device.command()
@click.argument("address")
@click.option("--name", required=True, metavar="NAME", help="What the user calls it, such as \"Ann's iPhone\".")
@click.option("--scope", default=",".join(devices.SCOPES), show_default=True, help="What it opens.")
@click.option("--expires", metavar="TIME", help="Such as +90d, or 2026-12-31T00:00 (UTC).  [default: never]")
@click.pass_obj
def add(context: Context, address: str, name: str, scope: str, expires: str | None) -> None:
    """Make a password for one device of a user, and print it once.

    It opens mail only. Users with two-step sign-in need one in every mail program.
    """
    parsed, scopes = Address.parse(address), [one.strip().lower() for one in scope.split(",")]
    until = moment("expires", expires, context.now()) if expires else 0.0
    made = context.run(
        devices.add(context.desk, parsed, context.keyring, name=name, scopes=scopes, expires=until)
    ).reveal()
    user = context.desk.account(parsed).address
    label = devices.check_name(name)
    context.done(
        {"user": user, "name": label, "scope": scopes, "expires": when(until), "generated": made},
        f"device {label} of {user} made.\nUser name: {user}\nPassword (shown once): {made}\n"
        "Type it where the mail program asks for a password; capitals, dashes and spaces do not matter.",
    )


@device.command("list")
@click.argument("address")
@click.pass_obj
def list_(context: Context, address: str) -> None:
    """List the devices of a user with their last use."""
    scopes = {service: scope for scope, service in devices.SCOPES.items()}
    rows: list[dict[str, object]] = [
        {
            "name": known.device.name,
            "scope": [scopes[service] for service in known.device.services],
            "created": when(known.device.created),
            "expires": when(known.device.expires),
            "last-used": when(known.use.at) if known.use else None,
            "from": known.use.block if known.use else None,
            "by": scopes.get(known.use.service) if known.use else None,
            "client": known.use.client if known.use else None,
        }
        for known in devices.of_user(context.desk, Address.parse(address))
    ]
    columns = ("name", "scope", "created", "expires", "last-used", "from", "client")
    context.table(rows, columns, f"no devices; make one: xtramail device add {address} --name NAME")


@device.command()
@click.argument("address")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All devices of this user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def revoke(context: Context, address: str, name: str | None, everything: bool, yes: bool) -> None:
    """Take back the password of the device NAME, or of --all; what is logged in with it is logged out."""
    if (name is None) is not everything:
        raise click.UsageError("name a device, or give --all")
    parsed = Address.parse(address)
    if name is None:
        known = devices.of_user(context.desk, parsed)
        sure(f"Revoke {count_of(len(known), 'device')} of {parsed.key}?", yes=yes)
        count = context.run(devices.revoke_all(context.desk, parsed))
        context.done({"user": parsed.key, "revoked": count}, f"{count_of(count, 'device')} of {parsed.key} revoked.")
        return
    gone = context.run(devices.revoke(context.desk, parsed, name))
    context.done({"user": parsed.key, "revoked": gone.name}, f"device {gone.name} of {parsed.key} revoked.")
