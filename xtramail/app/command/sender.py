"""``xtramail sender``: who may send as an address that is not his own."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context
from xtramail.directory import senders
from xtramail.directory.senders import SenderAddress

COLUMNS = ("address", "owners")


@click.group(cls=Commands)
def sender() -> None:
    """Say who may send as an address that is not his own, such as info@ of an office."""


def shown(one: SenderAddress) -> dict[str, object]:
    return {"address": one.address, "owners": list(one.owners)}


@sender.command()
@click.argument("address", metavar="ADDRESS|*@DOMAIN")
@click.argument("owners", nargs=-1, required=True, metavar="USER...")
@click.pass_obj
def add(context: Context, address: str, owners: tuple[str, ...]) -> None:
    """Let each USER send as ADDRESS, or as any address of DOMAIN.

    Everybody may send as himself, and as an alias that leads to him. Once users are named for an alias, they alone may.
    """
    done = context.run(senders.add_sender(context.desk, address, owners))
    context.done(shown(done), f"who may send as {done.address}: {', '.join(done.owners)}.")


@sender.command("list")
@click.argument("domain", required=False)
@click.pass_obj
def list_(context: Context, domain: str | None) -> None:
    """List the addresses for which users are named, of DOMAIN or of all."""
    found = senders.senders_of(context.desk, domain) if domain else senders.all_senders(context.desk)
    empty = "everybody sends as himself alone; let somebody send as another address: xtramail sender add ADDRESS USER"
    context.table([shown(one) for one in found], COLUMNS, empty)


@sender.command()
@click.argument("address", metavar="ADDRESS|*@DOMAIN")
@click.pass_obj
def show(context: Context, address: str) -> None:
    """Show who may send as ADDRESS."""
    context.fields(shown(senders.sender_of(context.desk, address)))


@sender.command()
@click.argument("address", metavar="ADDRESS|*@DOMAIN")
@click.argument("owners", nargs=-1, metavar="[USER...]")
@click.pass_obj
def remove(context: Context, address: str, owners: tuple[str, ...]) -> None:
    """Take each USER off ADDRESS; without a USER, all of them. A connection that is open obeys at its next message."""
    done = context.run(senders.remove_sender(context.desk, address, owners))
    left = f"who may still send as {done.address}: {', '.join(done.owners)}." if done.owners else ""
    context.done(shown(done), left or f"{done.address}: nobody is named for it any more.")
