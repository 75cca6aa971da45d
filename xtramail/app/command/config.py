"""``xtramail config``: what holds for a domain or an address, and who set it."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context
from xtramail.app.config import Loaded
from xtramail.app.settings import describe
from xtramail.directory.effective import SET, Effective, ServerValue, of_address, of_domain
from xtramail.directory.precedence import DEFAULT
from xtramail.model.address import Address
from xtramail.model.secret import Secret

COLUMNS = ("name", "value", "source", "instead-of")


@click.group(cls=Commands)
def config() -> None:
    """Show which settings hold, and who set them."""


@config.command()
@click.argument("what", metavar="DOMAIN|ADDRESS")
@click.option("--all", "everything", is_flag=True, help="Those that nobody set, too: each has its default.")
@click.pass_obj
def effective(context: Context, what: str, everything: bool) -> None:
    """Show every setting that holds for a DOMAIN or an ADDRESS: its value, and from where it is.

    A user's own counts before his domain's, that before the server's, and that before the default. Of the server's, an
    option counts before a variable of the environment, and that before the file. With --json all are there.
    """
    server = server_values(context.loaded)
    desk = context.desk
    found = of_address(desk, Address.parse(what), server) if "@" in what else of_domain(desk, what, server)
    kept = found if everything or context.as_json else [one for one in found if one.source != DEFAULT]
    context.table([shown(one) for one in kept], COLUMNS, f"{what} has no settings but the defaults; see --all")


def shown(one: Effective) -> dict[str, object]:
    return {
        "name": one.name,
        "value": one.value,
        "source": one.source,
        "instead-of": [f"{level.value or '-'} ({level.source})" for level in one.beneath],
        "doc": one.doc,
    }


def server_values(loaded: Loaded) -> list[ServerValue]:
    """Every setting of the server, with where it was said; of secrets only that there is one."""
    found = []
    for setting in describe():
        value = getattr(getattr(loaded.settings, setting.section), setting.attribute)
        secret = isinstance(value, Secret)
        text = (SET if value.reveal() else "") if isinstance(value, Secret) else setting.kind.show(value)
        source = loaded.sources.get(setting.key, DEFAULT)
        found.append(
            ServerValue(
                name=setting.key,
                value=text if secret else text.strip('"'),
                source=source.partition("=")[0] if secret else source,
                doc=setting.doc,
            )
        )
    return found
