"""``xtramail mail export``: a user's mailboxes into files."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from xtramail.app.command.context import Context, Reporting, count_of, size_text
from xtramail.app.command.group import plain
from xtramail.app.command.privilege import folder_for_owner
from xtramail.app.command.recover import moment
from xtramail.app.command.transfer_progress import Meter, interruptible
from xtramail.mailbox.transfer.entries import FORMATS, Format
from xtramail.mailbox.transfer.exporting import Exported, export_mail
from xtramail.model.address import Address
from xtramail.store.filesystem import DATA_FILE

_TOLD = 20


@click.command("export", cls=Reporting)
@click.argument("address")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "format", type=click.Choice(FORMATS), required=True, help="What is written.")
@click.option("--mailbox", metavar="NAME", default="", help="Only this mailbox.")
@click.option("--since", metavar="TIME", help="Only what came since: 2026-11-21, 2026-11-21T08:00, 30d, 12h.")
@click.pass_obj
def export(
    context: Context, address: str, directory: Path, format: str, mailbox: str, since: str | None
) -> None:
    """Write the mail of ADDRESS into DIRECTORY, with flags, keywords and dates, for its owner alone.

    DIRECTORY is new or empty; nothing is overwritten. Cut off, the same command goes on. Written as mbox (mboxrd, a
    file a mailbox), Maildir (Maildir++) or EML (a file a message, each octet as it is stored). xtramail mail import
    brings all of it back octet for octet; mbox and Maildir have LF at the ends of lines, as their programs want it.

    Exit code 1: not everything could be written; what is missing is named.
    """
    store = context.paths.store
    if (store / DATA_FILE).exists():
        folder_for_owner(directory, store)
    desk = context.desk
    meter: list[Meter] = []

    def tell(so_far: Exported) -> None:
        if not meter:
            meter.append(Meter(total=so_far.total_octets, quiet=context.as_json))
        meter[0].tell(so_far.messages, so_far.octets)

    with interruptible() as interrupt:
        result = context.run(
            export_mail(
                desk,
                Address.parse(address),
                directory,
                cast(Format, format),
                mailbox=mailbox,
                since=moment(since, context.now()) if since is not None else 0.0,
                progress=tell,
                stop=interrupt,
            )
        )
    for one in meter:
        one.end()
    _tell(context, address, directory, result)
    if not result.complete:
        click.get_current_context().exit(1)


def _tell(context: Context, address: str, directory: Path, result: Exported) -> None:
    boxes = sorted(result.expected)
    value = {
        "address": address,
        "directory": str(directory),
        "messages": result.messages,
        "octets": result.octets,
        "mailboxes": [
            {"mailbox": name, "messages": result.mailboxes[name], "there": result.expected[name]} for name in boxes
        ],
        "unnamed-keywords": result.unnamed,
        "troubles": [{"place": one.place, "text": one.text} for one in result.troubles],
        "stopped": result.stopped,
    }
    lines = [
        f"{count_of(result.messages, 'message')} ({size_text(result.octets)}) of {address} written into {directory}."
    ]
    lines += [
        f"  {name}: {result.mailboxes[name]}"
        + (f" of {result.expected[name]}" if result.mailboxes[name] != result.expected[name] else "")
        for name in boxes
    ]
    if result.unnamed:
        lines.append(
            f"{count_of(result.unnamed, 'message')} lost keywords, for a Maildir has letters for 26 of them; mbox and "
            f"EML keep all"
        )
    if result.troubles:
        lines.append(f"{count_of(len(result.troubles), 'message')} missing; see also: xtramail verify")
        lines += [f"  {one.place}: {one.text}" for one in result.troubles[:_TOLD]]
    if result.stopped:
        lines.append(f"It ended early: {result.stopped}. Run the same command again to go on.")
    context.done(value, plain("\n".join(lines)))
