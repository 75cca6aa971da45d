"""The ``xtramail`` command: its groups in one place, in the order in which a newcomer needs them."""

from __future__ import annotations

import click

from xtramail import __version__
from xtramail.app.command.backup import backup, restore
from xtramail.app.command.cert import cert
from xtramail.app.command.context import Commands, Context
from xtramail.app.command.demo import demo
from xtramail.app.command.doctor import doctor, status
from xtramail.app.command.domain import domain
from xtramail.app.command.init import init
from xtramail.app.command.message import message, trace
from xtramail.app.command.queue import queue
from xtramail.app.command.store import expire, store, verify
from xtramail.app.command.user import user

EPILOG = """Settings are found by --config, then $XTRAMAIL_CONFIG, ./xtramail.toml, /etc/xtramail/xtramail.toml.
Exit codes: 0 done, 1 refused (with the reason), 2 usage."""


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="Settings of the installation to work on.")
@click.option("--store", metavar="DIR", help="Folder of the store to work on, instead of the one in the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead of text.")
@click.version_option(__version__, prog_name="xtramail")
@click.pass_context
def main(ctx: click.Context, config: str | None, store: str | None, as_json: bool) -> None:
    """Administer an xtramail server: an email continuity gateway.

    A change takes effect on a running server within a second, and works while it is stopped. The server itself is
    started with: twistd -n xtramail --config FILE
    """
    ctx.obj = Context(config=config, store=store, as_json=as_json)


for command in (
    init, domain, user, queue, trace, message, expire, status, cert, verify, backup, restore, store, doctor, demo
):  # fmt: skip
    main.add_command(command)
