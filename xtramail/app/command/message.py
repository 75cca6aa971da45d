"""``xtramail message``: one message, where it lies, its octets, and handing it on once more."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import click

from xtramail.app.command.context import Commands, Context
from xtramail.app.command.queue import closed_of, closed_words
from xtramail.app.command.trace import message_of, shown_fates
from xtramail.delivery.following import story_of
from xtramail.delivery.release import Released
from xtramail.delivery.release import Stored as StoredMessage
from xtramail.delivery.release import release as release_again
from xtramail.directory.desk import Change
from xtramail.directory.resolution import resolver
from xtramail.mailbox.stored import Stored, copies_of
from xtramail.model.address import Address
from xtramail.model.errors import BadInput, NoSuchMessage, NotPermitted
from xtramail.model.ids import IdSource, id_text
from xtramail.store import bodies, keys, outbound, tracking
from xtramail.store.message_row import BodyRef

DAY = 86_400.0


@click.group(cls=Commands)
def message() -> None:
    """Show, export or release one message by its id."""


def body_of(context: Context, message_id: int) -> BodyRef:
    """Where the octets lie: in a mailbox or in the queue. NoSuchMessage when nowhere any more."""
    for stored in copies_of(context.desk, message_id):
        return stored.row.body
    for entry in context.engine.read(keys.QUEUE, outbound.entries):
        if entry.message_id == message_id:
            return entry.body
    name = id_text(message_id)
    raise NoSuchMessage(f"message {name} is not stored any more; see: xtramail trace {name}")


@message.command()
@click.argument("id")
@click.pass_obj
def show(context: Context, id: str) -> None:
    """Show where copies of a message lie and what became of it."""
    number = message_of(context.engine, id)
    found = copies_of(context.desk, number)
    try:
        fates = shown_fates(story_of(context.desk, number))
    except NoSuchMessage:
        fates = []
    if not found and not fates:
        raise NoSuchMessage(f"nothing is known of {id}; find ids with: xtramail trace ADDRESS")
    value: dict[str, object] = {
        "id": id_text(number),
        "message-id": next((stored.row.message_id for stored in found), ""),
        "subject": next((stored.row.subject for stored in found), ""),
        "size": next((stored.row.size for stored in found), None),
        "copies": [_copy(stored) if context.as_json else _copy_text(stored) for stored in found],
        "fates": fates if context.as_json else [_fate_text(fate) for fate in fates],
    }
    context.fields(value)


def _fate_text(fate: dict[str, object]) -> str:
    status = f" ({fate['status']})" if fate["status"] else ""
    return f"{fate['recipient']}: {fate['fate']}{status}"


def _copy(stored: Stored) -> dict[str, object]:
    return {
        "account": stored.account.address,
        "mailbox": stored.mailbox,
        "uid": stored.uid,
        "expunged": stored.expunged,
    }


def _copy_text(stored: Stored) -> str:
    gone = " (expunged)" if stored.expunged else ""
    return f"{stored.account.address} {stored.mailbox} {stored.uid}{gone}"


@message.command()
@click.argument("id")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to FILE (0600, never over one).")
@click.pass_obj
def export(context: Context, id: str, output: Path | None) -> None:
    """Write a message, every octet as it is stored, to standard output or FILE.

    As long as it is kept here, expunged or not; with --json and no FILE its octets come as base64.
    """
    number = message_of(context.engine, id)
    ref = body_of(context, number)
    # Somebody else's mail is read: its owner's admins see that.
    found = copies_of(context.desk, number)
    for name in sorted({Address.parse(one.account.address).domain_key for one in found}) or [""]:
        context.run(context.desk.change(Change("message export", id_text(number), name), []))
    value: dict[str, object] = {"id": id_text(number), "size": ref.size}
    if output is not None:
        _write_new(context, ref, output)
        context.done(value | {"file": str(output)}, f"{ref.size} octets written to {output}.")
        return
    if context.as_json:
        octets = b"".join(bodies.chunks(context.engine, ref))
        context.done(value | {"base64": base64.b64encode(octets).decode("ascii")}, "")
        return
    out = sys.stdout.buffer
    for chunk in bodies.chunks(context.engine, ref):
        out.write(chunk)
    out.flush()


def _write_new(context: Context, ref: BodyRef, output: Path) -> None:
    """Into a file that is not there yet; nothing is left of it when it could not be written whole."""
    try:
        file = open(output, "xb", opener=_private)
    except FileExistsError:
        raise BadInput(f"{output} exists already; choose another name") from None
    try:
        with file:
            for chunk in bodies.chunks(context.engine, ref):
                file.write(chunk)
    except BaseException:
        output.unlink()
        raise


@message.command()
@click.argument("id")
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="Only for these.  [default: all it was for]")
@click.pass_obj
def release(context: Context, id: str, recipients: tuple[str, ...]) -> None:
    """Hand a stored message to the primary again.

    To all recipients in domains with a primary that it was for, or to those named with --to. For whom it waits already
    it is due now; for the others it is mail of its own in the log. While the primary is away it appears in INBOX again.
    """
    number = message_of(context.engine, id)
    ref = body_of(context, number)
    events = context.engine.read(keys.LOG, lambda snap: tracking.events_of(snap, number))
    accepted = next((event for event in events if event.kind == "accepted"), None)
    known = [name for event in events if event.kind == "accepted" for name in event.recipients]
    if not recipients and not known:
        raise BadInput(f"{id}: nobody is known whom it was for; name them with --to ADDRESS")
    wanted, without = _with_primary(context, list(dict.fromkeys(recipients or known)))
    if without and (recipients or not wanted):
        raise NotPermitted(
            f"domain {', '.join(sorted(without))} has no primary here to release to; set one: "
            f"xtramail domain set NAME primary=HOST, or name other recipients with --to ADDRESS"
        )
    stored = StoredMessage(
        message_id=number,
        body=ref,
        reverse_path=accepted.sender if accepted is not None else "",
        header_message_id=accepted.fields.get(tracking.MESSAGE_ID_FIELD, "") if accepted is not None else "",
    )
    done = context.run(
        release_again(
            context.desk,
            IdSource(context.clock),
            stored,
            wanted,
            hold_seconds=context.settings.relay.hold_days * DAY,
        )
    )
    _say_released(context, number, done, closed_words(closed_of(context, wanted)))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _say_released(context: Context, number: int, done: Released, closed: list[str]) -> None:
    """``closed``: lines about destinations to which nothing goes now."""
    name, fresh = id_text(number), id_text(done.message_id) if done.message_id else ""
    lines = []
    if done.due:
        lines.append(f"message {name} is due now for {', '.join(done.due)}, in place of its next attempt.")
    if done.queued:
        lines.append(f"message {name} goes to the primary again as {fresh}.")
    if done.reappeared:
        lines.append(f"It is in INBOX again: {', '.join(done.reappeared)}.")
    lines += closed
    lines.append(f"Follow it with: xtramail trace {fresh or name}")
    value = {
        "id": fresh or name,
        "of": name,
        "to": list(done.queued),
        "due": {address: id_text(entry) for address, entry in done.due.items()},
        "reappeared": list(done.reappeared),
    }
    context.done(value, "\n".join(lines))


def _with_primary(context: Context, names: list[str]) -> tuple[dict[str, list[str]], set[str]]:
    """Addresses by the destination under which they wait, and the domains of those that are handed to nobody."""
    found: dict[str, list[str]] = {}
    without: set[str] = set()
    known = resolver(context.engine, context.clock)
    for name in names:
        address = Address.parse(name)
        way = known.resolve(address)
        if way.relay:
            found.setdefault(way.destination, []).append(name)
        else:
            without.add(address.domain_key)
    return found, without
