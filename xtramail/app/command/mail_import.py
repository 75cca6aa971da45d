"""``xtramail mail import``: files of mail into a user's mailboxes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from xtramail.app.command.context import Context, Reporting, count_of, size_text
from xtramail.app.command.group import plain
from xtramail.app.command.recover import moment
from xtramail.app.command.transfer_progress import Meter, interruptible
from xtramail.mailbox.transfer.entries import FORMATS, Format
from xtramail.mailbox.transfer.importing import import_mail
from xtramail.mailbox.transfer.opening import open_source
from xtramail.mailbox.transfer.outcome import Imported, Terms
from xtramail.model.address import Address

_TOLD = 20


@click.command("import", cls=Reporting)
@click.argument("address")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "format",
    type=click.Choice(("auto", *FORMATS)),
    default="auto",
    show_default=True,
    help="What PATH is: an mbox or a folder of them, a Maildir or a tree of them, an EML file or a folder of them.",
)
@click.option("--mailbox", metavar="NAME", default="", help="Stands for INBOX: what is in other folders goes under it.")
@click.option("--since", metavar="TIME", help="Only what came since: 2026-11-21, 2026-11-21T08:00, 30d, 12h.")
@click.option("--dry-run", is_flag=True, help="Read everything, say what would be brought, and do nothing.")
@click.pass_obj
def import_(
    context: Context, address: str, path: Path, format: str, mailbox: str, since: str | None, dry_run: bool
) -> None:
    """Bring mail from files into the mailboxes of ADDRESS, with flags, keywords and dates.

    Each message once: run it again after it was cut off, or when files have grown. What the user deletes here stays
    deleted. Messages live the days of their domain from today on, however old they are; they are never relayed. The
    server may run. Octets stay as they are, but a file that has LF at its lines' ends is given CRLF, as mail has it.

    Folders are mailboxes. A lone file NAME.mbox is the mailbox NAME, any other lone file INBOX.

    Exit code 1: something was not taken, or may be damaged; it is named, and all else was brought.
    """
    # The store is opened first: as root we become its owner, and files are read with its rights.
    desk = context.desk
    source = open_source(path, None if format == "auto" else cast(Format, format))
    terms = Terms(
        into=mailbox,
        since=moment(since, context.now()) if since is not None else 0.0,
        octets=context.settings.limits.message_size,
        dry_run=dry_run,
        reserve_percent=context.settings.store.reserve_percent,
    )
    meter = Meter(total=source.octets, quiet=context.as_json)
    with interruptible() as interrupt:
        result = context.run(
            import_mail(
                desk,
                Address.parse(address),
                source,
                terms,
                progress=lambda so_far: meter.tell(so_far.messages + so_far.already, so_far.read),
                stop=interrupt,
            )
        )
    meter.end()
    _tell(context, address, source.format, result, dry_run=dry_run)
    if result.refused or result.doubtful or result.stopped:
        click.get_current_context().exit(1)


def _tell(context: Context, address: str, format: str, result: Imported, *, dry_run: bool) -> None:
    boxes = sorted(result.mailboxes.items())
    value = {
        "address": address,
        "format": format,
        "dry-run": dry_run,
        "messages": result.messages,
        "octets": result.octets,
        "mailboxes": [{"mailbox": name, "messages": count} for name, count in boxes],
        "made": sorted(result.made),
        "already": result.already,
        "older": result.older,
        "left-out": result.left_out,
        "refused": result.refused,
        "doubtful": result.doubtful,
        "troubles": [{"place": one.place, "text": one.text} for one in result.troubles],
        "stopped": result.stopped,
    }
    would = "would be " if dry_run else ""
    lines = [f"{count_of(result.messages, 'message')} ({size_text(result.octets)}) {would}brought to {address}."]
    lines += [f"  {name}: {count}{' (made)' if name in result.made else ''}" for name, count in boxes]
    empty = [name for name in sorted(result.made) if name not in result.mailboxes]
    if empty:
        lines.append(f"  made, with nothing in it: {', '.join(empty)}")
    for count, text in (
        (result.already, "brought already, by an earlier run"),
        (result.older, "older than asked for, passed over"),
        (result.left_out, "left out: their own program had deleted them, or keeps them for itself"),
        (result.refused, "not taken:"),
        (result.doubtful, "taken, and perhaps damaged:"),
    ):
        if count:
            lines.append(f"{count} {text}")
    lines += [f"  {one.place}: {one.text}" for one in result.troubles[:_TOLD]]
    if result.refused + result.doubtful > min(len(result.troubles), _TOLD):
        lines.append(f"  and more; --json names up to {len(result.troubles)} of them")
    if result.stopped:
        lines.append(f"It ended early: {result.stopped}. Run the same command again to go on.")
    context.done(value, plain("\n".join(lines)))
