"""``xtramail trace``: what happened to mail, and what became of it."""

from __future__ import annotations

import click

from xtramail.app.command.context import Context, Reporting, when
from xtramail.model.errors import BadInput, NoSuchMessage
from xtramail.model.ids import id_from_text, id_text
from xtramail.store import keys, outbound, tracking
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import LedgerRow, LogEvent

DAY = 86_400.0


def parse_id(text: str) -> int:
    try:
        return id_from_text(text)
    except ValueError as error:
        raise BadInput(f"id {text!r}: {error}; find it with: xtramail trace ADDRESS") from None


def message_of(engine: Engine, text: str) -> int:
    """The message that ``text`` names by its id, or by the id of an entry in the queue, which lists its own first."""
    number = parse_id(text)
    waiting = engine.read(keys.QUEUE, lambda snap: outbound.entry(snap, number))
    return number if waiting is None else waiting.message_id


def shown_event(event: LogEvent) -> dict[str, object]:
    shown: dict[str, object] = {
        "time": when(event.at),
        "id": id_text(event.message_id) if event.message_id else "",
        "event": event.kind,
        "from": event.sender or "<>",
        "to": list(event.recipients),
        "text": event.text,
    }
    return shown | dict(event.fields)


@click.command(cls=Reporting)
@click.argument("what", metavar="ADDRESS|MESSAGE-ID|ID")
@click.option(
    "--days", type=click.IntRange(1, 36_500), default=14, show_default=True, help="How far back, for an address."
)
@click.pass_obj
def trace(context: Context, what: str, days: int) -> None:
    """Follow mail by an address, a Message-ID or our own id.

    A Message-ID is written as in the header, <...>. Every event of each message found, and at the end what became of
    it for each recipient.
    """
    engine = context.engine
    if what.startswith("<") or (what.count("@") == 1 and what.endswith(">")):
        events = engine.read(keys.LOG, lambda snap: tracking.by_message_id(snap, what))
    elif "@" in what:
        since = context.now() - days * DAY
        events = engine.read(keys.LOG, lambda snap: tracking.by_address(snap, what, since))
        if not events:
            events = engine.read(keys.LOG, lambda snap: tracking.by_message_id(snap, f"<{what}>"))
    else:
        number = message_of(engine, what)
        events = engine.read(keys.LOG, lambda snap: tracking.events_of(snap, number))
    if not events:
        raise NoSuchMessage(f"nothing is known of {what}; the log is kept {context.settings.tracking_days} days")
    ids = list(dict.fromkeys(event.message_id for event in events if event.message_id))
    fates = [fate for number in ids for fate in fates_of(context, number)]
    if context.as_json:
        context.done({"events": [shown_event(event) for event in events], "fates": fates}, "")
        return
    context.table([shown_event(event) for event in events], ("time", "id", "event", "from", "to", "text"), "")
    click.echo("")
    context.table(fates, ("id", "recipient", "fate", "since", "attempts", "answer"), "no fates are known any more")


def fates_of(context: Context, message_id: int) -> list[dict[str, object]]:
    """The ledger's rows of a message, in whichever buckets they lie."""

    def look(snap: Snapshot) -> list[tuple[str, LedgerRow]]:
        return [row for bucket in snap.buckets() for row in outbound.ledger_of(snap, bucket, message_id).items()]

    return [
        {
            "id": id_text(message_id),
            "recipient": recipient,
            "fate": row.fate,
            "since": when(row.at),
            "attempts": row.attempts,
            "answer": row.reply,
        }
        for recipient, row in context.engine.read(keys.QUEUE, look)
    ]
