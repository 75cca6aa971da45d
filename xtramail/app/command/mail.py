"""``xtramail mail``: mail of one user from files, and into files."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands
from xtramail.app.command.mail_export import export
from xtramail.app.command.mail_import import import_


@click.group(cls=Commands)
def mail() -> None:
    """Import and export a user's mail: mbox, Maildir, or folders of EML files."""


mail.add_command(import_)
mail.add_command(export)
