"""``xtramail alert``: what people were told of, and a try of every channel."""

from __future__ import annotations

import time
from functools import partial

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.delivery.alert_text import title
from xtramail.directory import told_alerts
from xtramail.model.errors import BadInput
from xtramail.model.hook_url import hook_host
from xtramail.store import alerts, keys
from xtramail.store.alerts import AlertRow, Telling
from xtramail.store.server_lock import is_held

_WAIT = 30.0
"""Seconds: a call to a webhook takes 10 at most, and begins within a second."""


@click.group(cls=Commands)
def alert() -> None:
    """Show what people were told of, and try whether they can be told."""


def _telling(one: Telling) -> dict[str, object]:
    return {
        "channel": one.channel,
        "to": hook_host(one.target) if one.channel == "webhook" else one.target,
        "set-by": one.whose,
        "state": one.state,
        "attempts": one.attempts,
        "answer": one.answer,
        "at": when(one.at),
        "next": when(one.due) if one.state == "owed" else None,
    }


def _told(row: AlertRow) -> str:
    if not row.addressed:
        return "waits"
    return ", ".join(f"{one['channel']} {one['to']}: {one['state']}" for one in map(_telling, row.tellings)) or "nobody"


def _shown(row: AlertRow) -> dict[str, object]:
    return {
        "id": str(row.id),
        "at": when(row.at),
        "latest": when(row.latest),
        "kind": row.kind,
        "domain": row.domain,
        "count": row.count,
        "title": title(row),
        "text": row.text,
        "fields": row.fields,
        "told": [_telling(one) for one in row.tellings],
        "waits": not row.addressed,
    }


@alert.command("list")
@click.option("--domain", "name", metavar="DOMAIN", help="Only of this domain.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@click.pass_obj
def list_(context: Context, name: str | None, limit: int) -> None:
    """Alerts of the last three months, the newest first, and who was told."""
    rows = told_alerts.list_alerts(context.desk, name or "")[:limit]
    if context.as_json:
        context.table([_shown(row) for row in rows], (), "")
        return
    lines = [_shown(row) | {"told": _told(row)} for row in rows]
    context.table(lines, ("at", "domain", "title", "count", "told", "text"), "nothing happened that anybody is told of")


@alert.command("test")
@click.argument("name", metavar="DOMAIN")
@click.pass_obj
def test_(context: Context, name: str) -> None:
    """Tell everybody who is told of DOMAIN's alerts that this is a test, and say what came of it."""
    domain = context.desk.domain(name).name
    if not is_held(context.paths.store):
        raise BadInput("alert test: no server runs on this store, and only a running one tells; start it first")
    row = _settled(context, context.run(told_alerts.raise_test(context.desk, domain)))
    if not row.addressed:
        raise BadInput(f"alert test: the server did not look at it within {_WAIT:g} s; see its log")
    if not row.tellings:
        raise BadInput(
            f"alert test: nobody is told of {domain}; set one: xtramail domain set {domain} alert-mail=ADDRESS"
        )
    columns = ("channel", "to", "state", "attempts", "answer")
    context.table([_telling(one) for one in row.tellings], columns, "")
    if any(one.state != "told" for one in row.tellings):
        click.get_current_context().exit(1)


def _settled(context: Context, number: int) -> AlertRow:
    """The alert once everybody was tried; as it is after some time."""
    deadline = time.monotonic() + _WAIT
    while True:
        row = context.engine.read(keys.ALERTS, partial(alerts.alert, alert_id=number))
        if row is None:
            raise BadInput("alert test: the alert is gone; see: xtramail alert list")
        if (row.addressed and all(one.attempts for one in row.tellings)) or time.monotonic() > deadline:
            return row
        time.sleep(0.1)
