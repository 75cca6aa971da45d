"""``xtramail trace``: what happened to mail, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from xtramail.app.command.context import Context, Reporting, when
from xtramail.app.command.maintenance import moment
from xtramail.delivery.following import follow
from xtramail.delivery.story import Story
from xtramail.model.duration import parse_duration
from xtramail.model.errors import BadInput, NoSuchMessage
from xtramail.model.ids import id_at, id_from_text, id_text
from xtramail.store import keys, outbound, tracking
from xtramail.store.engine import Engine
from xtramail.store.records import LogEvent
from xtramail.store.tracking import Query

DAY = 86_400.0
DAYS = 14
COLUMNS = ("time", "id", "event", "from", "to", "text")
_POLICIES = {"dane": "held to DANE", "sts": "held to MTA-STS", "none": "without TLS"}
_TOLD = ("subject", "account", "stored", "had", "skipped")
"""Of what the log has of a message that was accepted. ``had``: mailboxes to which nothing had to be added."""


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


@dataclass(slots=True)
class Wanted:
    """What a person named, sorted by its kind."""

    addresses: list[str]
    message_ids: list[str]
    ids: list[int]
    words: list[str]

    @property
    def names_one(self) -> bool:
        """Nothing but messages by their ids: they are told whenever they came."""
        return bool(self.ids or self.message_ids)


def wanted(context: Context, what: tuple[str, ...], subjects: tuple[str, ...]) -> Wanted:
    """BadInput for what is no address, Message-ID, id or word."""
    found = Wanted([], [], [], [])
    for text in what:
        if text.startswith("<") or (text.count("@") == 1 and text.endswith(">")):
            found.message_ids.append(text)
        elif "@" in text:
            found.addresses.append(text)
        else:
            found.ids.append(message_of(context.engine, text))
    for subject in subjects:
        words = tracking.subject_words(subject)
        if not words:
            raise BadInput(f"subject {subject!r}: name a word of it; Re: and punctuation find nothing")
        found.words.extend(words)
    return found


def moment_back(name: str, text: str, now: float) -> float:
    """``now``, a time such as 2h (so long ago), or ISO 8601; BadInput names ``name``."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return moment(name, text, now)
    except BadInput:
        raise BadInput(f"{name} {text!r}: so long ago, such as 2h, or 2026-12-24T18:00 (UTC)") from None


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


def for_people(event: LogEvent) -> dict[str, object]:
    """The same with what is worth a line of text."""
    shown = shown_event(event)
    fields = event.fields
    told = [event.text]
    if event.kind == "accepted":
        told.append(f"from {fields.get('helo') or 'unknown'} [{fields.get('peer', '')}]")
        told.append(f"{fields.get('with', '')} {fields.get('tls') or 'without TLS'}".strip())
        told.append(f"{fields.get('size', '?')} octets")
        told += [f"{name}: {fields[name]}" for name in _TOLD if fields.get(name)]
    elif event.kind == "refused":
        told.insert(0, f"{fields.get('command', '')} of {fields.get('helo') or 'unknown'} [{fields.get('peer', '')}]")
        told += [f"{fields['left-out']} more like it are not written down"] if "left-out" in fields else []
    elif fields.get("host"):
        told.append(f"by {fields['host']}" + (f" with {fields['tls']}" if fields.get("tls") else ""))
        if policy := _POLICIES.get(fields.get("tls-policy", "")):
            told.append(policy)
    return shown | {"text": "; ".join(told)}


@click.command(cls=Reporting)
@click.argument("what", nargs=-1, metavar="[ADDRESS|MESSAGE-ID|ID]...")
@click.option("--subject", "subjects", multiple=True, metavar="WORDS", help="Whole words of the subject, in any order.")
@click.option("--since", metavar="WHEN", help="Came after: 2h (ago), 2026-12-24T18:00.  [default: 14d, but for ids]")
@click.option("--until", metavar="WHEN", help="Came before: the same.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Came in the last N days: --since Nd.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="The newest N messages.")
@click.pass_obj
def trace(
    context: Context,
    what: tuple[str, ...],
    subjects: tuple[str, ...],
    since: str | None,
    until: str | None,
    days: int | None,
    limit: int,
) -> None:
    """Follow mail by addresses, a Message-ID, our own id, words of the subject, or when it came.

    What is named several times must all be true. A Message-ID is written as in the header, <...>. Of each message, the
    newest last, all that happened to it; its last lines say what became of it for each recipient.
    """
    if not what and not subjects and since is None and until is None and days is None:
        raise click.UsageError("name an ADDRESS, MESSAGE-ID or ID, or --subject, --since or --until")
    if days is not None and since is not None:
        raise click.UsageError("--days and --since say the same: name one of them")
    found = wanted(context, what, subjects)
    now = context.now()
    first = 0.0 if found.names_one else now - (days or DAYS) * DAY
    if since is not None:
        first = moment_back("since", since, now)
    high = tracking.LAST_ID if until is None else id_at(moment_back("until", until, now))
    query = Query(
        addresses=tuple(found.addresses),
        message_ids=tuple(found.message_ids),
        words=tuple(found.words),
        low=id_at(first),
        high=high,
    )
    told = follow(context.desk, query, ids=found.ids, most=limit)
    if not told.stories:
        named = " and ".join((*what, *subjects)) or "mail of that time"
        raise NoSuchMessage(f"nothing is known of {named}; the log is kept {context.settings.tracking_days} days")
    _tell(context, told.stories)
    if told.more:
        click.echo(f"There are older ones; see them with: --limit {2 * limit}, or --until TIME", err=True)


def _tell(context: Context, told: Sequence[Story]) -> None:
    fates = [fate for story in told for fate in shown_fates(story)]
    if context.as_json:
        events = [shown_event(event) for story in told for event in story.events]
        context.done({"events": events, "fates": fates}, "")
        return
    context.table([for_people(event) for story in told for event in story.events], COLUMNS, "")


def shown_fates(story: Story) -> list[dict[str, object]]:
    """The ledger's rows of a message; ``status`` says why continuity holds it."""
    return [
        {
            "id": id_text(story.message_id),
            "recipient": recipient,
            "fate": row.fate,
            "since": when(row.at),
            "attempts": row.attempts,
            "answer": row.reply,
            "status": story.held(recipient),
        }
        for recipient, row in story.fates.items()
    ]
