"""``xtramail export``: the directory as a document, or objects of one kind as CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack

import click

from xtramail.app.command.context import Context
from xtramail.app.command.group import Reporting
from xtramail.app.command.new_file import NewFile
from xtramail.directory.state.catalogue import KINDS
from xtramail.directory.state.csv_files import csv_lines
from xtramail.directory.state.document import document
from xtramail.directory.state.worlds import export_world, kind_named, kinds_of
from xtramail.model.errors import BadInput

_WARNING = "warning: this has password hashes and other secrets: keep it as you keep a backup"


@click.command(cls=Reporting)
@click.option("--domain", metavar="NAME", default="", help="This domain alone, with all that belongs to it.")
@click.option("--csv", "name", metavar="KIND", help=f"As CSV, one of {', '.join(kind.name for kind in KINDS)}.")
@click.option("--with-secrets", is_flag=True, help="With password hashes, device passwords, keys and the like.")
@click.option("--output", metavar="FILE", help="A new file, for your eyes only.  [default: standard output]")
@click.pass_obj
def export(context: Context, domain: str, name: str | None, with_secrets: bool, output: str | None) -> None:
    """Write domains, users and all else as one JSON document, sorted, an object a line.

    ``xtramail apply`` makes another server so. What secrets there are is counted at its end (left-out) unless they
    are asked for. Mail is not in it: see backup, and mail export.
    """
    kind = kind_named(name) if name is not None else None
    with ExitStack() as stack:
        target = stack.enter_context(NewFile("output", output)) if output is not None else None
        world = export_world(context.desk, context.keyring, domain=domain, secrets=with_secrets)
        if kind is None:
            lines = document(world, kinds_of(world), domain=world.only, secrets=with_secrets)
        elif kind.is_secret and not with_secrets:
            raise BadInput(f"{kind.name}: without --with-secrets there is nothing of them to export")
        else:
            lines = csv_lines(world, kind, secrets=with_secrets)
        if with_secrets:
            click.echo(_WARNING, err=True)
        _write(lines, target)


def _write(lines: Iterable[str], target: NewFile | None) -> None:
    if target is None:
        for line in lines:
            sys.stdout.buffer.write(line.encode("utf-8"))
        sys.stdout.buffer.flush()
        return
    try:
        target.write(lines)
    except BaseException:
        # Half of a document is none.
        target.discard()
        raise
