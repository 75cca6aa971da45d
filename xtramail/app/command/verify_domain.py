"""``xtramail domain verify``: whether DNS proves that a domain is his who added it."""

from __future__ import annotations

import click

from xtramail.app.command.context import Context
from xtramail.app.command.group import Reporting
from xtramail.app.command.name_server import texts
from xtramail.directory.verification import challenge_of, verify
from xtramail.model.errors import Unavailable


@click.command("verify", cls=Reporting)
@click.argument("name")
@click.option("--skip", is_flag=True, help="Serve it without proof; for operators.")
@click.option("--show", is_flag=True, help="Only say what is to be published.")
@click.option("--nameserver", metavar="HOST[:PORT]", help="Ask this one.  [default: the machine's]")
@click.pass_obj
def verify_domain(context: Context, name: str, skip: bool, show: bool, nameserver: str | None) -> None:
    """Look in DNS for the record that proves that NAME is his who added it, and serve it from then on.

    A domain that an operator added needs none. Until then mail for it is put off (450), and nobody sends as it.
    """
    asked = challenge_of(context.desk, name, context.keyring)
    value = {"domain": asked.domain, "name": asked.name, "type": "TXT", "value": asked.value}
    if show:
        context.done(value | {"verified": asked.verified}, asked.zone_line)
        return
    if asked.verified:
        context.done(value | {"verified": True}, f"domain {asked.domain} is served already.")
        return
    found = None if skip else texts([asked.name], nameserver)[asked.name]
    if isinstance(found, str):
        raise Unavailable(f"domain {asked.domain} is not verified: {found}; ask again later")
    context.run(verify(context.desk, name, context.keyring, found))
    context.done(value | {"verified": True}, f"domain {asked.domain} is served from now on.")
