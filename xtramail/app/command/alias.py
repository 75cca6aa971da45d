"""``xtramail alias``: addresses that stand for others, here or anywhere."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.directory import aliases
from xtramail.directory.aliases import Alias

COLUMNS = ("address", "targets", "since")


@click.group(cls=Commands)
def alias() -> None:
    """Let addresses stand for others, here or anywhere; @DOMAIN stands for all that are not listed."""


def shown(one: Alias) -> dict[str, object]:
    return {"address": one.address, "targets": list(one.targets), "since": when(one.created)}


def told(context: Context, one: Alias, text: str) -> None:
    """With its warnings: in JSON, or for people on standard error."""
    if not context.as_json:
        for warning in one.warnings:
            click.echo(f"warning: {warning}.", err=True)
    context.done({**shown(one), "warnings": list(one.warnings)}, text)


@alias.command()
@click.argument("address", metavar="ADDRESS|@DOMAIN")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.pass_obj
def add(context: Context, address: str, targets: tuple[str, ...]) -> None:
    """Let ADDRESS stand for each TARGET, beside those for which it stands already.

    Targets here get it in their mailboxes, others get it under a sender of ours, so that their SPF holds. A user who
    forwards his mail and keeps it is a target of himself. Of a domain with a primary an alias only decides whose
    mailboxes get a copy: the primary gets the mail as it was written.
    """
    done = context.run(aliases.add_alias(context.desk, address, targets))
    told(context, done, f"{done.address} stands for {', '.join(done.targets)}.")


@alias.command("list")
@click.argument("domain", required=False)
@click.pass_obj
def list_(context: Context, domain: str | None) -> None:
    """List the aliases of DOMAIN, or of all."""
    found = aliases.aliases_of(context.desk, domain) if domain else aliases.all_aliases(context.desk)
    context.table([shown(one) for one in found], COLUMNS, "no aliases; add one: xtramail alias add ADDRESS TARGET")


@alias.command()
@click.argument("address", metavar="ADDRESS|@DOMAIN")
@click.pass_obj
def show(context: Context, address: str) -> None:
    """Show whom ADDRESS stands for, and what there is to know of it."""
    one = aliases.alias_of(context.desk, address)
    context.fields({**shown(one), "warnings": list(one.warnings)})


@alias.command()
@click.argument("address", metavar="ADDRESS|@DOMAIN")
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@click.pass_obj
def remove(context: Context, address: str, targets: tuple[str, ...]) -> None:
    """Take each TARGET off ADDRESS; without a TARGET, the whole alias."""
    done = context.run(aliases.remove_alias(context.desk, address, targets))
    left = f"{done.address} still stands for {', '.join(done.targets)}."
    told(context, done, left if done.targets else f"{done.address} stands for nobody any more.")
