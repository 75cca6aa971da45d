"""``xtramail blocked``: users who may send nothing to the world."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, count_of, when
from xtramail.directory import blocks
from xtramail.model.address import Address
from xtramail.store.blocks import BlockRow


@click.group(cls=Commands)
def blocked() -> None:
    """Show and release users who may send nothing to the world any more: too much, or too much of it refused."""


def shown(row: BlockRow) -> dict[str, object]:
    return {
        "user": row.address,
        "since": when(row.at),
        "cause": row.cause,
        "reason": row.reason,
        "by": row.by,
    }


@blocked.command("list")
@click.argument("domain", required=False)
@click.pass_obj
def list_(context: Context, domain: str | None) -> None:
    """List who is blocked, in DOMAIN or everywhere, since when and why."""
    rows = [shown(row) for row in blocks.blocked(context.desk, domain or "")]
    context.table(rows, ("user", "since", "cause", "reason", "by"), "nobody is blocked from sending")


@blocked.command()
@click.argument("address")
@click.option("--reason", default="an administrator blocked it", show_default=True, help="Its user reads it.")
@click.pass_obj
def add(context: Context, address: str, reason: str) -> None:
    """Let ADDRESS send nothing to the world; reading, receiving and mail to colleagues go on."""
    row = context.run(blocks.block(context.desk, Address.parse(address), reason))
    context.done(shown(row), f"{row.address} sends nothing to the world until: xtramail blocked release {row.address}")


@blocked.command()
@click.argument("address")
@click.pass_obj
def release(context: Context, address: str) -> None:
    """Let ADDRESS send to the world again; what it sent in the last hour is forgiven, and what waits goes on.

    If somebody else sent it, give that up first: queue list, then queue bounce ID.
    """
    done = context.run(blocks.release(context.desk, Address.parse(address)))
    row = done.row
    due = f" {count_of(done.due, 'message')} from before go on." if done.due else ""
    context.done(shown(row) | {"released": True, "due": done.due}, f"{row.address} may send to the world again.{due}")
