"""``xtramail admin``: people who administrate, and what of."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, sure, when
from xtramail.app.command.passwd import new_hash
from xtramail.directory import admins
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store.roles import AdminRow


@click.group(cls=Commands)
def admin() -> None:
    """People who administrate: operators, and admins of a tenant or of single domains.

    Who may use this command on the machine of the store is an operator without being listed here.
    """


def shown(row: AdminRow) -> dict[str, object]:
    """An admin as JSON shows him: no secret."""
    return {
        "name": row.name,
        "role": row.role,
        "tenant": row.tenant,
        "domains": list(row.domains),
        "status": row.status,
        "password": "set" if row.password else "",
        "created": when(row.created),
        "password-changed": when(row.password_changed) if row.password else None,
    }


@admin.command()
@click.argument("name", metavar="ADDRESS")
@click.option("--role", required=True, type=click.Choice([str(one) for one in admins.ADMIN_ROLES]), help="What of.")
@click.option("--tenant", default="", metavar="NAME", help="Of a tenant admin.")
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="Of a domain admin; repeat for more.")
@click.option("--generate", is_flag=True, help="Make a strong password and print it once.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
@click.pass_obj
def add(
    context: Context,
    name: str,
    role: str,
    tenant: str,
    domains: tuple[str, ...],
    generate: bool,
    password_stdin: bool,
) -> None:
    """Add an admin. ADDRESS is where he is reached, and his name."""
    hashed, plain = new_hash(context, Address.parse(name), generate=generate, password_stdin=password_stdin)
    row = context.run(
        admins.add_admin(context.desk, name, role=role, tenant=tenant, domains=domains, password=hashed)
    )
    value = shown(row) | ({"generated": plain} if plain else {})
    context.done(value, f"admin {row.name} added." + (f"\nPassword (shown once): {plain}" if plain else ""))


@admin.command("list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the admins."""
    rows = [shown(row) for row in admins.list_admins(context.desk)]
    columns = ("name", "role", "tenant", "domains", "status", "password")
    context.table(rows, columns, "no admins but who may use this command; add one: xtramail admin add ADDRESS --role R")


@admin.command()
@click.argument("name", metavar="ADDRESS")
@click.pass_obj
def show(context: Context, name: str) -> None:
    """Show one admin."""
    context.fields(shown(admins.find_admin(context.desk, name)))


@admin.command("set")
@click.argument("name", metavar="ADDRESS")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.pass_obj
def set_(context: Context, name: str, changes: tuple[str, ...]) -> None:
    """Change an admin, all or none.

    \b
    role=operator|tenant-admin|domain-admin
    tenant=NAME                  of a tenant admin
    domains=NAME,...             of a domain admin
    status=active|disabled       disabled: no login, and tokens of this admin open nothing
    """
    given: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in ("role", "tenant", "domains", "status"):
            raise BadInput(
                f"{change!r}: write it as role=ROLE, tenant=NAME, domains=NAME,... or status=active|disabled"
            )
        given[key] = value
    names = given["domains"].replace(",", " ").split() if "domains" in given else None
    row = context.run(
        admins.set_admin(
            context.desk,
            name,
            role=given.get("role"),
            tenant=given.get("tenant"),
            domains=names,
            status=given.get("status"),
        )
    )
    context.done(shown(row), f"admin {row.name} changed.")


@admin.command()
@click.argument("name", metavar="ADDRESS")
@click.option("--generate", is_flag=True, help="Make a strong password and print it once.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
@click.pass_obj
def passwd(context: Context, name: str, generate: bool, password_stdin: bool) -> None:
    """Give an admin a new password."""
    if not generate and not password_stdin:
        raise click.UsageError("give a password: --generate makes one, --password-stdin reads one")
    row = admins.find_admin(context.desk, name)
    hashed, plain = new_hash(context, Address.parse(row.name), generate=generate, password_stdin=password_stdin)
    row = context.run(admins.set_admin_password(context.desk, row.name, hashed))
    value = shown(row) | ({"generated": plain} if plain else {})
    context.done(
        value, f"admin {row.name}: password changed." + (f"\nPassword (shown once): {plain}" if plain else "")
    )


@admin.command()
@click.argument("name", metavar="ADDRESS")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, name: str, yes: bool) -> None:
    """Remove an admin with all tokens of his, also the last operator: this command stays."""
    row = admins.find_admin(context.desk, name)
    sure(f"Remove the admin {row.name} and what comes by tokens of his?", yes=yes)
    context.run(admins.remove_admin(context.desk, row.name))
    context.done({"removed": row.name}, f"admin {row.name} removed.")
