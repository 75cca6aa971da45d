"""``xtramail maintenance``: planned times in which a domain's mail is kept from its primary."""

from __future__ import annotations

import datetime

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.model.duration import parse_duration
from xtramail.model.errors import BadInput
from xtramail.store import keys, outages
from xtramail.store.engine import Txn
from xtramail.store.outages import Window

LONGEST = 13 * 86_400.0
"""Seconds: mail is given up after 14 days, and its primary wants some time to take it."""


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
    domain, now = context.desk.domain(name), context.now()
    begins = moment("from", start, now)
    # How long it takes is said of its own beginning.
    ends = moment("to", end, begins if end.startswith("+") else now)
    if not domain.primaries:
        raise BadInput(f"domain {domain.name} is local: there is no primary to keep mail from")
    if ends <= begins or ends <= now:
        raise BadInput(f"to {end!r}: must be after --from and in the future")
    if ends - begins > LONGEST:
        raise BadInput(f"to {end!r}: at most 13 days after --from, for mail is given up after 14")

    def put(txn: Txn) -> Window:
        row = Window(id=max((one.id for one in outages.windows(txn)), default=0) + 1, start=begins, end=ends,
                     reason=reason)  # fmt: skip
        outages.put_window(txn, row)
        return row

    row = context.engine.transact(keys.domain_scope(domain.name), put).result()
    text = f"mail of {domain.name} is held from {when(begins)} to {when(ends)}, then goes by itself."
    context.done(_shown(domain.name, row, now), text)


@maintenance.command("list")
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.pass_obj
def list_(context: Context, name: str | None) -> None:
    """List planned and running windows."""
    found = [context.desk.domain(name)] if name else context.desk.domains()
    rows = [
        _shown(domain.name, row, context.now())
        for domain in found
        for row in context.engine.read(keys.domain_scope(domain.name), outages.windows)
    ]
    context.table(rows, ("id", "domain", "from", "to", "state", "reason"), "nothing is planned")


@maintenance.command()
@click.argument("name", metavar="DOMAIN")
@click.argument("id", type=click.IntRange(1, 10**9))
@click.pass_obj
def remove(context: Context, name: str, id: int) -> None:
    """Take a window back; one that runs ends within seconds."""
    domain = context.desk.domain(name)
    there = context.engine.transact(
        keys.domain_scope(domain.name), lambda txn: outages.delete_window(txn, id)
    ).result()
    if not there:
        raise BadInput(f"id {id}: no such window of {domain.name}; see: xtramail maintenance list {domain.name}")
    context.done({"removed": id, "domain": domain.name}, f"window {id} of {domain.name} is taken back.")
