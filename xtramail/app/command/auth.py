"""``xtramail auth``: who logged in, who was refused and why."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.app.command.trace import moment_back
from xtramail.directory import auth_log
from xtramail.model.address import Address


@click.group(cls=Commands)
def auth() -> None:
    """Who logged in, who was refused and why."""


@auth.command()
@click.argument("address", required=False)
@click.option("--domain", metavar="NAME", help="Only this domain's.")
@click.option("--failed", is_flag=True, help="Only what was refused.")
@click.option("--since", metavar="TIME", help="Not older: so long ago, such as 2h, or ISO 8601.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Most rows, the newest.")
@click.pass_obj
def log(
    context: Context, address: str | None, domain: str | None, failed: bool, since: str | None, limit: int
) -> None:
    """List logins, good and refused, and changes of two-step sign-in, of all or of one ADDRESS.

    Good ones are kept once an hour for each service, device and network; of many refused ones alike a few.
    """
    if address is not None and domain is not None:
        raise click.UsageError("choose one of ADDRESS and --domain")
    found = auth_log.events(
        context.desk,
        domain=domain or "",
        address=Address.parse(address).key if address else "",
        failed=failed,
        since=moment_back("since", since, context.now()) if since else 0.0,
        most=limit,
    )
    rows: list[dict[str, object]] = [
        {
            "time": when(event.at),
            "address": event.address,
            "service": event.service,
            "outcome": event.outcome,
            "from": event.peer,
            "why": event.text,
            "who": event.who,
            "left-out-before": event.left_out,
        }
        for event in found
    ]
    columns = ("time", "address", "service", "outcome", "from", "why", "who")
    context.table(rows, columns, "nothing was kept of logins yet")
