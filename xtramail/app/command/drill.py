"""``xtramail drill``: an outage for chosen users while their primary goes on receiving, and what came of it."""

from __future__ import annotations

import time

import click

from xtramail.app.command.context import Commands, Context, count_of, when
from xtramail.delivery.drill_steps import STEPS, fresh_steps
from xtramail.directory import rehearsals
from xtramail.model.errors import BadInput
from xtramail.store.drills import DrillRow, Pilot
from xtramail.store.server_lock import is_held

LONGEST = 24 * 60
"""Minutes."""
COLUMNS = ("user", "result", "step", "state", "at", "text", "next")


@click.group(cls=Commands)
def drill() -> None:
    """Let chosen users work as in an outage while their primary goes on receiving, and see who could."""


@drill.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--users", required=True, metavar="A,B,C", help="Who sees the outage: addresses, or what is before @.")
@click.option("--minutes", type=click.IntRange(1, LONGEST), required=True, metavar="N", help="So long.")
@click.option("--canary", metavar="ADDRESS", help="To whom their canaries go.  [default: to themselves]")
@click.option("--wait", is_flag=True, help="Come back when it is over, with the report; exit code 1 if anybody failed.")
@click.pass_obj
def start(context: Context, name: str, users: str, minutes: int, canary: str | None, wait: bool) -> None:
    """Begin a drill: canaries go both ways for each user, and whether he logs in is written down by name.

    Mail flows as at any time. At the end the canaries are removed, and only the report is left.
    """
    _refuse_without_server(context)
    begun = context.run(
        rehearsals.begin_drill(
            context.desk,
            name,
            users.replace(",", " ").split(),
            seconds=60.0 * minutes,
            canary=canary or "",
            steps=fresh_steps(),
        )
    )
    row = begun.row
    if wait:
        _wait(context, row)
        _report(context, row.id)
        if not all(one.passed for one in rehearsals.pilots_of(context.desk, row.id)):
            click.get_current_context().exit(1)
        return
    hint = f" Nobody could log in as {', '.join(begun.bare)}: give them passwords." if begun.bare else ""
    people = count_of(len(begun.pilots), "user")
    text = f"drill {row.id} of {row.domain} runs until {when(row.ends)} for {people}.{hint}"
    shown = _shown(context, row) | {"without-password": list(begun.bare)}
    context.done(shown, f"{text} See: xtramail drill report {row.id}")


def _refuse_without_server(context: Context) -> None:
    if not is_held(context.paths.store):
        raise BadInput("drill start: no server runs on this store, and only a running one can be tried; start it first")


@drill.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@click.pass_obj
def status(context: Context, name: str | None, limit: int) -> None:
    """Drills of the last year, the newest first: those that run, and how the others ended."""
    shown = [_shown(context, row) for row in rehearsals.list_drills(context.desk, name or "")[:limit]]
    columns = ("id", "domain", "state", "started", "ends", "users", "passed", "failed")
    hint = "there was no drill yet; begin one: xtramail drill start DOMAIN --users A,B --minutes 30"
    context.table(shown, columns, hint)


@drill.command()
@click.argument("id")
@click.pass_obj
def stop(context: Context, id: str) -> None:
    """End a drill before its time; what it left is removed within seconds."""
    row = context.run(rehearsals.stop_drill(context.desk, _named(context, id).id))
    context.done(_shown(context, row), f"drill {row.id} is over. See: xtramail drill report {row.id}")


@drill.command()
@click.argument("id")
@click.pass_obj
def report(context: Context, id: str) -> None:
    """What came of a drill, for each user and step, and what to do where it failed."""
    _report(context, _named(context, id).id)


def _report(context: Context, drill_id: int) -> None:
    row = _named(context, str(drill_id))
    people = [_person(one) for one in rehearsals.pilots_of(context.desk, drill_id)]
    if context.as_json:
        context.done(_shown(context, row) | {"pilots": people}, "")
        return
    context.fields(_shown(context, row))
    lines = [
        {"user": one["user"], "result": one["result"], **step}
        for one in people
        for step in (one["steps"] if isinstance(one["steps"], list) else [])
    ]
    context.table(lines, COLUMNS, "nobody takes part")


def _person(pilot: Pilot) -> dict[str, object]:
    return {
        "user": pilot.address,
        "result": _result(pilot),
        "steps": [
            {
                "step": one.name,
                "proves": STEPS[one.name].proves,
                "state": one.state,
                "at": when(one.at),
                "text": one.text,
                "next": one.next,
            }
            for one in pilot.steps
            if one.name in STEPS
        ],
    }


def _result(pilot: Pilot) -> str:
    return {True: "passed", False: "failed", None: "goes on"}[pilot.passed]


def _shown(context: Context, row: DrillRow) -> dict[str, object]:
    people = rehearsals.pilots_of(context.desk, row.id)
    return {
        "id": str(row.id),
        "domain": row.domain,
        "state": row.state,
        "started": when(row.started),
        "ends": when(row.ended or row.ends),
        "by": row.by,
        "stopped-by": row.stopped_by,
        "users": len(people),
        "passed": [one.address for one in people if one.passed is True],
        "failed": [one.address for one in people if one.passed is False],
    }


def _named(context: Context, text: str) -> DrillRow:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadInput(f"id {text!r}: no such drill; see: xtramail drill status")
    return rehearsals.find_drill(context.desk, int(text))


def _wait(context: Context, row: DrillRow) -> None:
    while _named(context, str(row.id)).state != "over":
        if not is_held(context.paths.store):
            raise BadInput(f"drill {row.id}: the server has stopped; the drill goes on when it is back")
        time.sleep(0.5)
