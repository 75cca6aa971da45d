"""``xtramail status``: how the server is, at a glance."""

from __future__ import annotations

import click

from xtramail.app.command.context import Context, Reporting, size_text, when
from xtramail.directory.users import list_users
from xtramail.store import keys, outbound
from xtramail.store.engine import Snapshot
from xtramail.store.records import QueueEntry
from xtramail.store.server_lock import is_held


@click.command(cls=Reporting)
@click.pass_obj
def status(context: Context) -> None:
    """Show the server at a glance.

    Whether it runs, how full the store is, what waits for whom, and the ledger: of all accepted recipients, how many
    have which fate.
    """
    engine = context.engine
    domains = context.desk.domains()
    balance = engine.read(keys.QUEUE, outbound.balance)
    waiting = engine.read(keys.QUEUE, outbound.entries)
    ledger = {"accepted": balance.accepted} | {fate.value: count for fate, count in balance.fates.items()}
    value: dict[str, object] = {
        "server": "running" if is_held(context.paths.store) else "stopped",
        "settings": str(context.loaded.file) if context.loaded.file is not None else None,
        "store": str(context.paths.store),
        "used": engine.used_bytes(),
        "free": engine.free_bytes(),
        "domains": len(domains),
        "users": sum(len(list_users(context.desk, row.name)) for row in domains),
        "waiting": len(waiting),
        "oldest-waiting": when(min((entry.arrival for entry in waiting), default=0.0)),
        "destinations": engine.read(keys.QUEUE, lambda snap: destinations(snap, waiting)),
        "ledger": ledger,
        "balanced": balance.holds,
    }
    if not context.as_json:
        value |= {
            "used": size_text(engine.used_bytes()),
            "free": size_text(engine.free_bytes()),
            "ledger": f"{balance.accepted} accepted: "
            + (", ".join(f"{count} {fate.value}" for fate, count in balance.fates.items() if count) or "nothing yet"),
            "destinations": [
                f"{one['waiting']} for {one['name']}" + (f" ({one['held']})" if one["held"] else "")
                for one in engine.read(keys.QUEUE, lambda snap: destinations(snap, waiting))
            ],
        }
    context.fields(value)


def destinations(snap: Snapshot, waiting: list[QueueEntry]) -> list[dict[str, object]]:
    """For each destination that mail waits for, how much and, where it is held, why."""
    counts: dict[str, int] = {}
    for entry in waiting:
        counts[entry.destination] = counts.get(entry.destination, 0) + 1
    closed = {name: outbound.destination_closed(snap, name) for name in counts}
    return [
        {"name": name, "waiting": count, "held": row.reason if (row := closed[name]) is not None else ""}
        for name, count in sorted(counts.items())
    ]
