"""``xtramail maintenance``: planned times in which a domain's mail is kept from its primary."""

from __future__ import annotations

import datetime

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.directory import maintenance as windows
from xtramail.model.duration import parse_duration
from xtramail.model.errors import BadInput
from xtramail.store.outages import Window


@click.group(cls=Commands)
def maintenance() -> None:
    """Plan times in which a domain's mail is held; it goes by itself when they are over."""


def moment(name: str, text: str, now: float) -> float:
    """``now``, ``+2h``, ``-2h`` or ISO 8601 (UTC where it names no zone), in seconds; BadInput names ``name``."""
    try:
        if text == "now":
            return now
        if text.startswith("+"):
            return now + parse_duration(text[1:])
        if text.startswith("-"):
            return now - parse_duration(text[1:])
        read = datetime.datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadInput(f"{name} {text!r}: now, +TIME such as +2h, -TIME, or 2026-12-24T18:00 (UTC)") from None


def _shown(domain: str, row: Window, now: float) -> dict[str, object]:
    state = "planned" if now < row.start else "running" if now < row.end else "over"
    return {
        "id": str(row.id), "domain": domain, "from": when(row.start), "to": when(row.end), "state": state,
        "reason": row.reason,
    }  # fmt: skip


@maintenance.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--from", "start", metavar="WHEN", default="now", show_default=True, help="now, +2h, 2026-12-24T18:00.")
@click.option("--to", "end", metavar="WHEN", required=True, help="2026-12-24T21:00, or +3h: after --from. At most 13d.")
@click.option("--reason", default="", help="Why, for whoever looks.")
@click.pass_obj
def add(context: Context, name: str, start: str, end: str, reason: str) -> None:
    """Hold a domain's mail from one time to another."""
    domain, now = context.desk.domain(name).name, context.now()
    begins = moment("from", start, now)
    # How long it takes is said of its own beginning.
    ends = moment("to", end, begins if end.startswith("+") else now)
    row = context.run(windows.plan_window(context.desk, domain, start=begins, end=ends, reason=reason))
    text = f"mail of {domain} is held from {when(begins)} to {when(ends)}, then goes by itself."
    context.done(_shown(domain, row, now), text)


@maintenance.command("list")
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.pass_obj
def list_(context: Context, name: str | None) -> None:
    """List planned and running windows."""
    names = [context.desk.domain(name).name] if name else [row.name for row in context.desk.domains()]
    now = context.now()
    rows = [_shown(one, row, now) for one in names for row in windows.windows_of(context.desk, one)]
    context.table(rows, ("id", "domain", "from", "to", "state", "reason"), "nothing is planned")


@maintenance.command()
@click.argument("name", metavar="DOMAIN")
@click.argument("id", type=click.IntRange(1, 10**9))
@click.pass_obj
def remove(context: Context, name: str, id: int) -> None:
    """Take a window back; one that runs ends within seconds."""
    domain = context.desk.domain(name).name
    context.run(windows.take_back(context.desk, domain, id))
    context.done({"removed": id, "domain": domain}, f"window {id} of {domain} is taken back.")
