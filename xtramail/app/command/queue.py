"""``xtramail queue``: mail that waits to be handed on."""

from __future__ import annotations

import sys
from functools import partial

import click

from xtramail.app.command.bounce import give_up
from xtramail.app.command.context import Commands, Context, when
from xtramail.delivery.dispatch import PARKED
from xtramail.model.errors import BadInput, NoSuchMessage
from xtramail.model.ids import id_from_text, id_text
from xtramail.store import keys, outbound
from xtramail.store.engine import Txn
from xtramail.store.records import QueueEntry

STEP = 500


@click.group(cls=Commands)
def queue() -> None:
    """See, hurry or give up mail that waits to be handed on."""


def shown(entry: QueueEntry) -> dict[str, object]:
    waiting_for_primary = entry.due >= min(entry.expires, PARKED)
    return {
        "id": id_text(entry.id),
        "message": id_text(entry.message_id),
        "destination": entry.destination,
        "from": entry.reverse_path or "<>",
        "to": [recipient.address for recipient in entry.recipients],
        "arrived": when(entry.arrival),
        "attempts": entry.attempts,
        "next": "held" if entry.held else "when it answers" if waiting_for_primary else when(entry.due),
        "expires": when(entry.expires),
        "size": entry.body.size,
        "last-answer": entry.hold_reason if entry.held else entry.last_reply,
    }


def find(context: Context, text: str) -> list[QueueEntry]:
    """Entries of that queue id or message id."""
    try:
        number = id_from_text(text)
    except ValueError as error:
        raise BadInput(f"id {text!r}: {error}; see: xtramail queue list") from None
    one = context.engine.read(keys.QUEUE, lambda snap: outbound.entry(snap, number))
    if one is not None:
        return [one]
    found = context.engine.read(keys.QUEUE, outbound.entries)
    mine = [entry for entry in found if entry.message_id == number]
    if not mine:
        raise NoSuchMessage(f"{text} does not wait in the queue; see what became of it: xtramail trace {text}")
    return mine


@queue.command("list")
@click.option("--domain", metavar="NAME", help="Only mail for this domain.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True)
@click.pass_obj
def list_(context: Context, domain: str | None, limit: int) -> None:
    """List waiting mail with its next attempt and the last answer."""
    entries = context.engine.read(keys.QUEUE, lambda snap: outbound.entries(snap, domain, limit))
    columns = ("id", "destination", "from", "to", "attempts", "next", "last-answer")
    context.table([shown(entry) for entry in entries], columns, "the queue is empty")


@queue.command()
@click.argument("id")
@click.pass_obj
def show(context: Context, id: str) -> None:
    """Show one waiting message, recipient by recipient."""
    entries = find(context, id)
    values = [
        shown(entry)
        | {
            "recipients": [
                {"address": r.address, "fate": r.fate, "attempts": r.attempts, "answer": r.reply}
                for r in entry.recipients
            ]
        }
        for entry in entries
    ]
    if context.as_json:
        context.done(values if len(values) > 1 else values[0], "")
        return
    for value in values:
        recipients = value.pop("recipients")
        assert isinstance(recipients, list)
        context.fields(value)
        context.table(recipients, ("address", "fate", "attempts", "answer"), "")


@queue.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--domain", metavar="NAME", help="Everything for this domain.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.pass_obj
def retry(context: Context, ids: tuple[str, ...], domain: str | None, everything: bool) -> None:
    """Try waiting mail again now. Mail that is held by itself is let go, too."""
    if not ids and not domain and not everything:
        raise click.UsageError("name one or more IDs, --domain NAME or --all")
    entries = [entry for text in ids for entry in find(context, text)]
    if domain or everything:
        entries += context.engine.read(keys.QUEUE, lambda snap: outbound.entries(snap, domain))
    now = context.now()
    numbers = [entry.id for entry in entries]
    for start in range(0, len(numbers), STEP):
        context.engine.transact(keys.QUEUE, partial(_release, numbers=numbers[start : start + STEP], now=now)).result()
    context.done({"retried": len(entries)}, f"{len(entries)} messages are due now.")


def _release(txn: Txn, numbers: list[int], now: float) -> None:
    for number in numbers:
        outbound.release(txn, number, now)


@queue.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", default="given up by the administrator", show_default=True, help="What its sender is told.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def bounce(context: Context, ids: tuple[str, ...], reason: str, yes: bool) -> None:
    """Give waiting mail up: it is never handed on, and its sender is told where that may be done."""
    entries = [entry for text in ids for entry in find(context, text)]
    if not yes and sys.stdin.isatty():
        click.confirm(f"Give {len(entries)} messages up for good?", abort=True)
    late = give_up(context, [entry.id for entry in entries], reason)
    if late:
        names = ", ".join(id_text(number) for number in late)
        raise BadInput(f"{names}: just being handed over; look again: xtramail queue show ID")
    context.done({"bounced": len(entries)}, f"{len(entries)} messages were given up.")
