"""``xtramail apply``: the directory made as a document has it."""

from __future__ import annotations

import click

from xtramail.app.command.carry_out import carry_out, octets_of
from xtramail.app.command.context import Context
from xtramail.app.command.group import Reporting
from xtramail.directory.state.catalogue import BY_NAME
from xtramail.directory.state.document import read_document


@click.command(cls=Reporting)
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Show the plan, and do nothing.")
@click.option("--remove-missing", is_flag=True, help="Remove what the document could have and has not.")
@click.option("-v", "--verbose", is_flag=True, help="Name each object, and what changes of it.")
@click.option("--passwords", metavar="FILE", help="A new file for generated passwords, for your eyes only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def apply(
    context: Context,
    file: str,
    dry_run: bool,
    remove_missing: bool,
    verbose: bool,
    passwords: str | None,
    yes: bool,
) -> None:
    """Make domains, users and all else as a document has them, in one transaction: all of it or nothing.

    FILE is what ``xtramail export`` wrote, or was written by hand; - is standard input. What is not in it stays,
    and so do fields that it does not name. Where any row is wrong, all that are wrong are named with their line, and
    nothing is changed. Doing it twice changes nothing.
    """
    read = read_document(octets_of(file), BY_NAME)
    carry_out(
        context,
        read,
        dry_run=dry_run,
        remove_missing=remove_missing,
        verbose=verbose,
        passwords=passwords,
        yes=yes,
    )
