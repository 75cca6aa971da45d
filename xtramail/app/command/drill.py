"""``xtramail drill``: an outage for chosen users while their primary goes on receiving, and what came of it."""

from __future__ import annotations

import time
from functools import partial

import click

from xtramail.app.command.context import Commands, Context, count_of, when
from xtramail.delivery.drill_steps import STEPS, fresh_steps
from xtramail.directory.primaries import primary_of
from xtramail.directory.users import OUTSIDE, account_of
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.primary import State
from xtramail.store import accounts, drills, keys
from xtramail.store.drills import DrillRow, Pilot
from xtramail.store.records import Account, DomainRow
from xtramail.store.server_lock import is_held

MOST_PILOTS = 100
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
    domain = context.desk.domain(name)
    chosen = _chosen(context, domain, users)
    if canary:
        Address.parse(canary)
    _ready(context, domain)
    now = context.now()
    row = DrillRow(
        id=keys.micros(now),
        domain=domain.name,
        started=now,
        ends=now + 60 * minutes,
        by=context.who,
        canary=canary or "",
    )
    pilots = tuple(
        Pilot(
            account_id=one.id, address=one.address, outside=one.settings.get(OUTSIDE, ""), steps=fresh_steps()
        )
        for one in chosen
    )
    context.engine.transact(keys.DRILLS, partial(drills.begin, row=row, pilots=pilots)).result()
    if wait:
        _wait(context, row)
        _report(context, row.id)
        if not all(one.passed for one in _pilots(context, row.id)):
            click.get_current_context().exit(1)
        return
    bare = [one.address for one in chosen if not _could_log_in(context, one)]
    hint = f" Nobody could log in as {', '.join(bare)}: give them passwords." if bare else ""
    text = f"drill {row.id} of {domain.name} runs until {when(row.ends)} for {count_of(len(chosen), 'user')}.{hint}"
    shown = _shown(context, row) | {"without-password": bare}
    context.done(shown, f"{text} See: xtramail drill report {row.id}")


def _chosen(context: Context, domain: DomainRow, users: str) -> list[Account]:
    found: dict[int, Account] = {}
    for word in users.replace(",", " ").split():
        address = Address.parse(word if "@" in word else f"{word}@{domain.name}")
        account = account_of(context.engine, address.key)
        if account is None or account.kind == "list" or address.domain_key != domain.name:
            raise BadInput(
                f"users {word!r}: no user of {domain.name} with a mailbox; "
                f"see: xtramail user list --domain {domain.name}"
            )
        found[account.id] = account
    if not 1 <= len(found) <= MOST_PILOTS:
        raise BadInput(f"users: name from 1 to {MOST_PILOTS} of {domain.name}")
    return list(found.values())


def _could_log_in(context: Context, account: Account) -> bool:
    look = partial(accounts.can_log_in, account=account, now=context.now())
    return context.engine.read(keys.user_scope(account.id), look)


def _ready(context: Context, domain: DomainRow) -> None:
    if not domain.primaries:
        raise BadInput(f"domain {domain.name} is local: there is no primary whose absence could be rehearsed")
    if not domain.continuity:
        raise BadInput(
            f"domain {domain.name} keeps no copies, so nobody could read mail here; "
            f"switch them on: xtramail domain set {domain.name} continuity=on"
        )
    state = primary_of(context.engine, domain.name).state
    if state not in (State.UP, State.SUSPECT):
        raise BadInput(f"the primary of {domain.name} is {state}, which is no drill; see: xtramail outage status")
    if not is_held(context.paths.store):
        raise BadInput("drill start: no server runs on this store, and only a running one can be tried; start it first")


@drill.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
@click.pass_obj
def status(context: Context, name: str | None, limit: int) -> None:
    """Drills of the last year, the newest first: those that run, and how the others ended."""
    domain = context.desk.domain(name).name if name else None
    rows = context.engine.read(keys.DRILLS, drills.drills)
    shown = [_shown(context, row) for row in rows if domain in (None, row.domain)][:limit]
    columns = ("id", "domain", "state", "started", "ends", "users", "passed", "failed")
    hint = "there was no drill yet; begin one: xtramail drill start DOMAIN --users A,B --minutes 30"
    context.table(shown, columns, hint)


@drill.command()
@click.argument("id")
@click.pass_obj
def stop(context: Context, id: str) -> None:
    """End a drill before its time; what it left is removed within seconds."""
    row = _named(context, id)
    work = partial(drills.end, drill_id=row.id, now=context.now(), by=context.who)
    if context.engine.transact(keys.DRILLS, work).result() is None:
        raise BadInput(f"drill {row.id} is over already; see: xtramail drill report {row.id}")
    row = _named(context, id)
    context.done(_shown(context, row), f"drill {row.id} is over. See: xtramail drill report {row.id}")


@drill.command()
@click.argument("id")
@click.pass_obj
def report(context: Context, id: str) -> None:
    """What came of a drill, for each user and step, and what to do where it failed."""
    _report(context, _named(context, id).id)


def _report(context: Context, drill_id: int) -> None:
    row = _named(context, str(drill_id))
    people = [_person(one) for one in _pilots(context, drill_id)]
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


def _pilots(context: Context, drill_id: int) -> list[Pilot]:
    return context.engine.read(keys.DRILLS, partial(drills.pilots, drill_id=drill_id))


def _shown(context: Context, row: DrillRow) -> dict[str, object]:
    people = _pilots(context, row.id)
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
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    row = context.engine.read(keys.DRILLS, partial(drills.drill, drill_id=number))
    if row is None:
        raise BadInput(f"id {text!r}: no such drill; see: xtramail drill status")
    return row


def _wait(context: Context, row: DrillRow) -> None:
    while _named(context, str(row.id)).state != "over":
        if not is_held(context.paths.store):
            raise BadInput(f"drill {row.id}: the server has stopped; the drill goes on when it is back")
        time.sleep(0.5)
