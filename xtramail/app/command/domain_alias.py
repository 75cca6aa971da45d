"""``xtramail domain-alias``: domains that are only other names of one that is served."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.directory import domain_aliases
from xtramail.directory.domain_aliases import DomainAlias

COLUMNS = ("name", "domain", "since")


@click.group(cls=Commands)
def domain_alias() -> None:
    """Let a domain be another name of one that is served: the same users, mailboxes and logins."""


def shown(one: DomainAlias) -> dict[str, object]:
    return {"name": one.name, "domain": one.domain, "since": when(one.created)}


@domain_alias.command()
@click.argument("name", metavar="NEW")
@click.argument("domain", metavar="DOMAIN")
@click.pass_obj
def add(context: Context, name: str, domain: str) -> None:
    """Let each address of NEW be that of the same name in DOMAIN.

    A primary of DOMAIN gets such mail as it was written, so it has to know NEW as well.
    """
    done = context.run(domain_aliases.add_domain_alias(context.desk, name, domain))
    context.done(shown(done), f"{done.name} is another name of {done.domain}; point its MX here.")


@domain_alias.command("list")
@click.argument("domain", required=False)
@click.pass_obj
def list_(context: Context, domain: str | None) -> None:
    """List the other names of DOMAIN, or of all domains."""
    desk = context.desk
    found = domain_aliases.domain_aliases_of(desk, domain) if domain else domain_aliases.all_domain_aliases(desk)
    empty = "no domain has another name; give one: xtramail domain-alias add NEW DOMAIN"
    context.table([shown(one) for one in found], COLUMNS, empty)


@domain_alias.command()
@click.argument("name", metavar="NEW")
@click.pass_obj
def remove(context: Context, name: str) -> None:
    """Take mail for NEW no more; mailboxes keep what came by it."""
    done = context.run(domain_aliases.remove_domain_alias(context.desk, name))
    context.done({**shown(done), "removed": True}, f"{done.name} is another name of {done.domain} no more.")
