"""``xtramail mirror``: mail that is kept in a mailbox beside, or in its users' own, for days of its own."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.directory import mirrors
from xtramail.directory.mirrors import Mirror


@click.group(cls=Commands)
def mirror() -> None:
    """Keep mail of a domain or an address in one mailbox beside, or for days of its own."""


def shown(one: Mirror, domain_days: int) -> dict[str, object]:
    return {
        "source": one.source,
        "into": one.target,
        "days": one.row.days or domain_days,
        "since": when(one.row.created),
    }


def target(one: Mirror) -> str:
    if one.into is not None:
        return f"the INBOX of {one.into.address}"
    return "its own mailbox" if one.row.local else "each user's own mailbox"


@mirror.command()
@click.argument("source", metavar="DOMAIN|ADDRESS")
@click.option("--into", default="", metavar="ADDRESS", help="The user whose INBOX gets it.  [default: each its own]")
@click.option("--days", type=int, default=0, metavar="N", help="Keep it N days.  [default: as the domain does]")
@click.pass_obj
def add(context: Context, source: str, into: str, days: int) -> None:
    """Mirror what a domain or an address gets, and what it sends through this server.

    Copies are deleted there by hand, or go with their days; the users' own are not touched by it. A mirror never keeps
    mail out: where it has no room, its copy is left out.
    """
    done = context.run(mirrors.add_mirror(context.desk, source, into=into, days=days))
    kept = context.desk.domain(done.domain).retention_days
    value = shown(done, kept)
    context.done(value, f"mail of {done.source} is kept in {target(done)} for {value['days']} days, from now on.")


@mirror.command("list")
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.pass_obj
def list_(context: Context, name: str | None) -> None:
    """List what is mirrored, where to, and for how many days."""
    found = [context.desk.domain(name)] if name else context.desk.domains()
    rows = [shown(one, row.retention_days) for row in found for one in mirrors.list_mirrors(context.desk, row.name)]
    columns = ("source", "into", "days", "since")
    context.table(rows, columns, "nothing is mirrored; begin with: xtramail mirror add DOMAIN --into ADDRESS")


@mirror.command()
@click.argument("source", metavar="DOMAIN|ADDRESS")
@click.option("--into", default="", metavar="ADDRESS|own|gone", help="Which one of several, as they are listed.")
@click.pass_obj
def remove(context: Context, source: str, into: str) -> None:
    """Mirror it no more; what was kept stays for its days."""
    done = context.run(mirrors.remove_mirror(context.desk, source, into=into))
    value = {"source": done.source, "removed": True}
    context.done(value, f"{done.source} is mirrored no more; what was kept stays for its days.")
