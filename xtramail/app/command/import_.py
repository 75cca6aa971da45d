"""``xtramail import``: objects of one kind out of a CSV file."""

from __future__ import annotations

from dataclasses import replace

import click
from msgspec import structs

from xtramail.app.command.carry_out import carry_out, octets_of
from xtramail.app.command.context import Context
from xtramail.app.command.group import Reporting
from xtramail.directory.state.catalogue import KINDS
from xtramail.directory.state.csv_files import columns_of, read_csv
from xtramail.directory.state.entry import Entry
from xtramail.directory.state.kinds.users import UserState
from xtramail.directory.state.worlds import kind_named

_HELP = """Add and change objects of one kind by a CSV file, in one transaction: all of it or nothing.

The first line names the columns, of which only those of the key must be there; an empty cell leaves what there is.
Commas, semicolons or tabs, with or without a byte order mark. Cells that a spreadsheet takes for a formula (= + - @ at
their beginning) are refused; write ' before them. Lists are separated by spaces. - is standard input.

\b
"""


@click.command(
    "import",
    cls=Reporting,
    help=_HELP + "\n".join(f"{kind.name}: {', '.join(columns_of(kind))}" for kind in KINDS),
)
@click.argument("file")
@click.option("--kind", "name", required=True, metavar="KIND", help=f"One of {', '.join(kind.name for kind in KINDS)}.")
@click.option("--dry-run", is_flag=True, help="Show the plan, and do nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Name each object, and what changes of it.")
@click.option("--generate", is_flag=True, help="Of users: make a password for each who has none.")
@click.option("--passwords", metavar="FILE", help="A new file for generated passwords, for your eyes only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def import_(
    context: Context,
    file: str,
    name: str,
    dry_run: bool,
    verbose: bool,
    generate: bool,
    passwords: str | None,
    yes: bool,
) -> None:
    kind = kind_named(name)
    if generate and kind.row is not UserState:
        raise click.UsageError("--generate goes with --kind users")
    read = read_csv(octets_of(file), kind)
    if generate:
        read = replace(read, entries=[_generating(entry) for entry in read.entries])
    carry_out(context, read, dry_run=dry_run, verbose=verbose, passwords=passwords, yes=yes)


def _generating(entry: Entry) -> Entry:
    row = entry.row
    if not isinstance(row, UserState) or row.password or row.password_hash or row.type != "user":
        return entry
    return replace(entry, row=structs.replace(row, generate=True), given=entry.given | {"generate"})


