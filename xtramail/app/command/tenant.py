"""``xtramail tenant``: who owns domains here."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, sure, when
from xtramail.directory import tenants
from xtramail.directory.tenants import Tenant
from xtramail.model.errors import BadInput


@click.group(cls=Commands)
def tenant() -> None:
    """Who owns domains here, such as the customers of a provider: their admins see their own domains alone."""


def shown(one: Tenant) -> dict[str, object]:
    return {
        "name": one.row.name,
        "domains": list(one.domains),
        "contact": one.row.contact,
        "note": one.row.note,
        "created": when(one.row.created),
    }


def _one(context: Context, name: str) -> Tenant:
    tenants.find_tenant(context.desk, name)
    return next(one for one in tenants.list_tenants(context.desk) if one.row.name == name)


@tenant.command()
@click.argument("name")
@click.option("--note", default="", metavar="TEXT", help="What is worth knowing of it.")
@click.option("--contact", default="", metavar="ADDRESS", help="Whom to ask.")
@click.pass_obj
def add(context: Context, name: str, note: str, contact: str) -> None:
    """Add a tenant NAME, such as acme."""
    row = context.run(tenants.add_tenant(context.desk, name, note=note, contact=contact))
    context.done(
        shown(_one(context, row.name)),
        f"tenant {row.name} added.\nNext: xtramail domain add DOMAIN --tenant {row.name}, or give it one: "
        f"xtramail domain set DOMAIN tenant={row.name}",
    )


@tenant.command("list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the tenants and what they own."""
    rows = [shown(one) for one in tenants.list_tenants(context.desk)]
    hint = "no tenants: all domains are the operator's; add one: xtramail tenant add NAME"
    context.table(rows, ("name", "domains", "contact", "note"), hint)


@tenant.command()
@click.argument("name")
@click.pass_obj
def show(context: Context, name: str) -> None:
    """Show one tenant."""
    context.fields(shown(_one(context, name)))


@tenant.command("set")
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.pass_obj
def set_(context: Context, name: str, changes: tuple[str, ...]) -> None:
    """Change a tenant: note=TEXT, contact=ADDRESS; empty for none."""
    given: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in ("note", "contact"):
            raise BadInput(f"{change!r}: write it as note=TEXT or contact=ADDRESS")
        given[key] = value
    row = context.run(
        tenants.set_tenant(context.desk, name, note=given.get("note"), contact=given.get("contact"))
    )
    context.done(shown(_one(context, row.name)), f"tenant {row.name} changed.")


@tenant.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, name: str, yes: bool) -> None:
    """Remove a tenant that owns no domain any more and has no admins."""
    tenants.find_tenant(context.desk, name)
    sure(f"Remove the tenant {name}?", yes=yes)
    context.run(tenants.remove_tenant(context.desk, name))
    context.done({"removed": name}, f"tenant {name} removed.")
