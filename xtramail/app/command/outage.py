"""``xtramail outage``: how it stands with the primaries, and how it stood."""

from __future__ import annotations

from functools import partial

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.delivery.audit import Audit
from xtramail.directory import domains
from xtramail.directory.primaries import primary_of
from xtramail.directory.users import open_mail
from xtramail.model.duration import duration_text
from xtramail.model.errors import BadInput
from xtramail.store import keys, outages, outbound
from xtramail.store.outages import OutageRow, Transition

NEXT = {
    "up": "",
    "suspect": "it failed; a few more faults and it is down",
    "down": "its mail is kept; it is looked at every few seconds",
    "recovering": "what waited is being handed over",
}


@click.group(cls=Commands)
def outage() -> None:
    """Show which primaries are away, since when, why, and what waits."""


def _named(context: Context, name: str | None) -> list[str]:
    rows = [domains.require(context.engine, name)] if name else domains.all_domains(context.engine)
    return [row.name for row in rows if row.primaries]


@outage.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.pass_obj
def status(context: Context, name: str | None) -> None:
    """How it stands with each domain's primary now, and how much mail waits for it."""
    rows = []
    for domain in _named(context, name):
        row = primary_of(context.engine, domain)
        hint = NEXT.get(row.state, f"let its mail go: xtramail domain release {domain}")
        rows.append(
            {
                "domain": domain,
                "state": row.state,
                "since": when(row.since),
                "cause": row.cause,
                "held-by": row.held_by,
                "outage": str(row.outage) if row.outage else "",
                "waiting": open_mail(context.engine, domain),
                "next": hint,
            }
        )
    columns = ("domain", "state", "since", "waiting", "cause", "next")
    context.table(rows, columns, "no domain has a primary; add one: xtramail domain add NAME --primary HOST")


def _shown(domain: str, row: OutageRow) -> dict[str, object]:
    last = row.ended or row.answered
    return {
        "id": str(row.id),
        "domain": domain,
        "started": when(row.started),
        "answered": when(row.answered),
        "ended": when(row.ended),
        "lasted": duration_text(round(last - row.started)) if last else "goes on",
        "cause": row.cause,
    }


@outage.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many each.")
@click.pass_obj
def history(context: Context, name: str | None, limit: int) -> None:
    """Outages of the last year, the newest first."""
    rows = [
        _shown(domain, row)
        for domain in _named(context, name)
        for row in context.engine.read(keys.domain_scope(domain), lambda snap: outages.outages(snap, limit))
    ]
    rows.sort(key=lambda row: str(row["started"]), reverse=True)
    context.table(rows, ("id", "domain", "started", "ended", "lasted", "cause"), "no outage is on record")


def _step(step: Transition) -> dict[str, object]:
    return {"at": when(step.at), "before": step.before, "after": step.after, "by": step.by, "cause": step.cause}


@outage.command()
@click.argument("id")
@click.pass_obj
def show(context: Context, id: str) -> None:
    """Show one outage: each state its primary went through, when and why."""
    if not id.isascii() or not id.isdigit() or len(id) > 19:
        raise BadInput(f"id {id!r}: the number that `xtramail outage history` shows")
    for domain in _named(context, None):
        scope, number = keys.domain_scope(domain), int(id)
        row = context.engine.read(scope, partial(outages.outage, outage_id=number))
        if row is None:
            continue
        steps = context.engine.read(scope, partial(outages.transitions, since=row.started))
        mine = [_step(step) for step in reversed(steps) if step.outage == row.id]
        if context.as_json:
            context.done(_shown(domain, row) | {"steps": mine}, "")
            return
        context.fields(_shown(domain, row))
        context.table(mine, ("at", "before", "after", "by", "cause"), "")
        return
    raise BadInput(f"id {id}: no such outage; see: xtramail outage history")


@outage.command()
@click.pass_obj
def balance(context: Context) -> None:
    """Look whether every accepted message has one fate for each recipient: counts, rows and queue.

    The server looks so each hour by itself.
    """
    audit = Audit(context.engine)
    for _ in audit.walk():
        pass
    sums = context.engine.read(keys.QUEUE, outbound.balance)
    value: dict[str, object] = {
        "accepted": sums.accepted,
        **{fate.value: count for fate, count in sums.fates.items()},
        "balanced": not audit.found,
        "wrong": [one.text for one in audit.found],
    }
    context.fields(value)
    if audit.found:
        click.get_current_context().exit(1)
