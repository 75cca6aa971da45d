"""``xtramail queue``: mail that waits to be handed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from xtramail.app.command.context import Commands, Context, count_of, sure, when
from xtramail.app.command.group import load
from xtramail.delivery.story import held_reply
from xtramail.delivery.waiting import find_waiting, let_go, note, waiting
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput, NotPermitted
from xtramail.model.ids import id_text
from xtramail.model.primary import CLOSED, State
from xtramail.store import keys, outbound
from xtramail.store.engine import Snapshot
from xtramail.store.records import Destination, QueueEntry

LONGEST_REASON = 500


@click.group(cls=Commands)
def queue() -> None:
    """See, hurry or give up mail that waits to be handed on."""


def state_of(entry: QueueEntry, destination: Destination | None, now: float) -> str:
    """One word for what the entry waits for; ``destination`` None: its mail simply goes."""
    if entry.held:
        return "held"
    if entry.lease_until > now:
        return "under-way"
    if destination is not None:
        return ELSEWHERE[State(destination.state)]
    return "due" if entry.due <= now else "waiting"


ELSEWHERE = {State.HELD: "domain-held", State.DOWN: "primary-down", State.RECOVERING: "giving-back"}
"""What waits for its destination, by that one's state."""

NEXT = {
    "held": "held; xtramail queue release ID, or queue bounce ID",
    "under-way": "being handed over now",
    "domain-held": "held; xtramail domain release NAME",
    "primary-down": "when its primary answers again",
    "giving-back": "in its turn; what waited is being given back",
    "due": "as soon as its host takes it",
}


def shown(entry: QueueEntry, destination: Destination | None, now: float) -> dict[str, object]:
    """An entry as JSON shows it."""
    state = state_of(entry, destination, now)
    closed = destination.reason if destination is not None and destination.state in CLOSED else ""
    return {
        "id": id_text(entry.id),
        "message": id_text(entry.message_id),
        "kind": entry.kind,
        "destination": entry.destination,
        "destination-state": "up" if destination is None else destination.state,
        "from": entry.reverse_path or "<>",
        "to": [recipient.address for recipient in entry.recipients],
        "arrived": when(entry.arrival),
        "attempts": entry.attempts,
        "state": state,
        "next": when(entry.due) if state == "waiting" else None,
        "expires": when(entry.expires),
        "size": entry.body.size,
        "reason": entry.hold_reason if entry.held else closed,
        "status": held_reply(entry, destination),
        "last-answer": entry.last_reply,
        "recipients": [
            {"address": one.address, "fate": one.fate, "attempts": one.attempts, "answer": one.reply}
            for one in entry.recipients
        ],
    }


def for_people(value: dict[str, object]) -> dict[str, object]:
    """The same with words where there is no time of the next attempt."""
    status, last = str(value["status"]), str(value["last-answer"] or "")
    answers = [status] if last and last in status else [text for text in (status, last) if text]
    return value | {
        "next": value["next"] or NEXT.get(str(value["state"])),
        "last-answer": "; ".join(answers),
    }


def all_shown(context: Context, entries: list[QueueEntry]) -> list[dict[str, object]]:
    def states(snap: Snapshot) -> dict[str, Destination]:
        return {row.name: row for row in outbound.unusual_destinations(snap)}

    rows = context.engine.read(keys.QUEUE, states)
    now = context.now()
    return [shown(entry, rows.get(entry.destination), now) for entry in entries]


def find_all(context: Context, ids: tuple[str, ...]) -> list[QueueEntry]:
    """Each entry once, however often and by whichever id it was named."""
    return list({entry.id: entry for text in ids for entry in find_waiting(context.desk, text)}.values())


@queue.command("list")
@click.option("--domain", metavar="NAME", help="Only mail for this domain.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="At most so many.")
@click.pass_obj
def list_(context: Context, domain: str | None, limit: int) -> None:
    """List waiting mail: when it goes next, what its host said last, and why it waits."""
    name = None if domain is None else domain_key(domain)
    # One more than shown, to know whether there is more.
    entries = waiting(context.desk, name, limit=limit + 1)
    rows = all_shown(context, entries[:limit])
    columns = ("id", "destination", "from", "to", "arrived", "attempts", "next", "last-answer")
    empty = f"no mail waits for {name}" if name else "the queue is empty: all mail is handed on"
    context.table(rows if context.as_json else [for_people(row) for row in rows], columns, empty)
    if len(entries) > limit:
        click.echo(f"There is more; see it with: --limit {2 * limit}", err=True)


@queue.command()
@click.argument("id")
@click.pass_obj
def show(context: Context, id: str) -> None:
    """Show one waiting message, recipient by recipient."""
    values = all_shown(context, find_waiting(context.desk, id))
    if context.as_json:
        context.done(values if len(values) > 1 else values[0], "")
        return
    for value in values:
        recipients = value.pop("recipients")
        value.pop("to")
        context.fields(for_people(value))
        assert isinstance(recipients, list)
        context.table(recipients, ("address", "fate", "attempts", "answer"), "")


@queue.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--domain", metavar="NAME", help="Everything for this domain.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.pass_obj
def retry(context: Context, ids: tuple[str, ...], domain: str | None, everything: bool) -> None:
    """Try waiting mail again now. Mail that is held by itself is let go, too."""
    if not ids and domain is None and not everything:
        raise click.UsageError("name one or more IDs, --domain NAME or --all")
    entries = find_all(context, ids)
    if domain is not None or everything:
        name = None if everything or domain is None else domain_key(domain)
        entries = waiting(context.desk, name)
    context.run(let_go(context.desk, entries, outbound.release, "queue retry"))
    states = closed_of(context, {entry.destination for entry in entries})
    text = "\n".join([f"{count_of(len(entries), 'message')} due now.", *closed_words(states)])
    value = {
        "retried": len(entries),
        "held-domains": [name for name, state in states.items() if state is State.HELD],
        "down-domains": [name for name, state in states.items() if state is State.DOWN],
    }
    context.done(value, text)


def closed_of(context: Context, names: Iterable[str]) -> dict[str, State]:
    """Those of some destinations to which nothing goes now."""

    def look(snap: Snapshot) -> dict[str, State]:
        rows = {name: outbound.destination_closed(snap, name) for name in sorted(names)}
        return {name: State(row.state) for name, row in rows.items() if row is not None}

    return context.engine.read(keys.QUEUE, look)


def closed_words(states: Mapping[str, State]) -> list[str]:
    """When mail goes that is due, and whose destination takes none."""
    return [
        f"{name} is held: its mail goes with: xtramail domain release {name}"
        if state is State.HELD
        else f"The primary of {name} is down: its mail goes when it answers again; see: xtramail outage status {name}"
        for name, state in states.items()
    ]


@queue.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--domain", metavar="NAME", help="Everything that is held for this domain.")
@click.pass_obj
def release(context: Context, ids: tuple[str, ...], domain: str | None) -> None:
    """Let mail go that is held by itself: what a primary refused, or may have already.

    It is due now, and goes whatever became of its copies here. Refused again it is held again.
    """
    if not ids and domain is None:
        raise click.UsageError("name one or more IDs, or --domain NAME")
    entries = find_all(context, ids)
    if domain is not None:
        name = domain_key(domain)
        entries += [entry for entry in waiting(context.desk, name) if entry.held]
    chosen = list({entry.id: entry for entry in entries}.values())
    numbers = [entry.id for entry in chosen]
    context.run(let_go(context.desk, chosen, outbound.insist, "queue release"))
    value = {"released": len(numbers), "ids": [id_text(number) for number in numbers]}
    states = closed_of(context, {entry.destination for entry in entries})
    context.done(value, "\n".join([f"{count_of(len(numbers), 'message')} due now.", *closed_words(states)]))


@queue.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", default="given up by the administrator", show_default=True, help="What its sender is told.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def bounce(context: Context, ids: tuple[str, ...], reason: str, yes: bool) -> None:
    """Give waiting mail up: it is never handed on, and its sender is told where that may be done."""
    if not reason.strip() or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise BadInput(f"reason: one line of 1 to {LONGEST_REASON} characters, for its sender to read")
    entries = find_all(context, ids)
    sure(f"Give {count_of(len(entries), 'message')} up for good?", yes=yes)
    context.run(note(context.desk, entries, "queue bounce", reason))
    done = load("xtramail.app.command.bounce").give_up(context, [entry.id for entry in entries], reason)
    for line in done.untold:
        click.echo(line, err=True)
    if done.late:
        names = ", ".join(id_text(number) for number in done.late)
        others = f" ({len(done.bounced)} others were given up)" if done.bounced else ""
        raise NotPermitted(f"{names}: held, or just being handed over{others}; look again: xtramail queue show ID")
    value = {"bounced": len(done.bounced), "ids": [id_text(one) for one in done.bounced], "untold": done.untold}
    context.done(value, f"{count_of(len(done.bounced), 'message')} given up.")
